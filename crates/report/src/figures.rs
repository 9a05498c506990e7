//! Pictures for papers and slides: sheets of clusters, the map, curves, the k curve, confusion with labels.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use fs_err as fs;
use image::{Rgb, RgbImage, imageops};

use super::confusion;
use super::plots::{bar_chart, doubling_classes, line_chart, standalone};
use super::raster::{cluster_color, disc};
use super::sprites::{placeholder, square, write_png};
use super::summary::{ClusterSummary, Summary};
use super::training::{k_series, stage_charts};
use super::words::measure;
use super::{ReportData, ReportError, Thumbnails};
use sporeprint_run::write_atomically;

/// Sides of the map in pixels (PNG) and units (SVG).
const MAP_SIDE: f64 = 1600.;
/// Clusters that get a sheet of their own, largest first.
const MAX_SHEETS: usize = 200;
/// Pictures per row of a cluster sheet, rows, side of each and the gap between them.
const SHEET: (u32, u32, u32, u32) = (8, 5, 128, 6);

/// Draws all figures that the data allow into a folder; gives their paths.
///
/// `cluster-<id>.png` (nearest images of the 200 largest clusters), `map.svg` and `map.png`, `sizes.svg`,
/// `<stage>-<figure>.svg`, `k-<figure>.svg`, `confusion.svg`.
///
/// # Errors
/// - the folder cannot be made or a file not written
pub fn write_figures(dir: &Path, data: &ReportData, thumbnails: Thumbnails<'_>) -> Result<Vec<PathBuf>, ReportError> {
    fs::create_dir_all(dir)?;
    let summary = Summary::new(data);
    let mut written = Vec::new();
    let mut text = |name: String, text: String| -> Result<(), ReportError> {
        let path = dir.join(name);
        write_atomically(&path, |out| std::io::Write::write_all(out, text.as_bytes()))?;
        written.push(path);
        Ok(())
    };
    for (stage, charts) in stage_charts(data) {
        for chart in charts {
            let name = format!("{}-{}.svg", file_word(&stage), file_word(&chart.name));
            text(name, standalone(&line_chart(&measure(&chart.name).title, "epoch", &chart.lines, None)))?;
        }
    }
    for line in k_series(data) {
        let chosen = data.k_curve.as_ref().map(|curve| f64::from(curve.chosen));
        let name = format!("k-{}.svg", file_word(&line.name));
        let title = measure(&line.name).title;
        text(name, standalone(&line_chart(&title, "number of clusters", std::slice::from_ref(&line), chosen)))?;
    }
    if summary.n_clusters() > 0 {
        let bars = doubling_classes(summary.real().map(|cluster| cluster.size));
        text(
            "sizes.svg".to_owned(),
            standalone(&bar_chart("Number of clusters by size", "images in the cluster", &bars)),
        )?;
        if !summary.labels.is_empty() {
            text("confusion.svg".to_owned(), confusion::svg(data, &summary))?;
        }
        if let Some(map) = &data.map {
            text("map.svg".to_owned(), map_svg(data, map))?;
        }
    }
    let mut picture = |name: String, picture: RgbImage| -> Result<(), ReportError> {
        let path = dir.join(name);
        write_png(&path, &picture)?;
        written.push(path);
        Ok(())
    };
    if let Some(map) = data.map.as_ref().filter(|_| !data.assignments.is_empty()) {
        picture("map.png".to_owned(), map_png(data, map))?;
    }
    for cluster in summary.clusters.iter().take(MAX_SHEETS) {
        let name = if cluster.id < 0 { "noise.png".to_owned() } else { format!("cluster-{:04}.png", cluster.id) };
        picture(name, cluster_sheet(cluster, &summary, thumbnails))?;
    }
    Ok(written)
}

/// The nearest images of one cluster, the medoid first.
fn cluster_sheet(cluster: &ClusterSummary, summary: &Summary, thumbnails: Thumbnails<'_>) -> RgbImage {
    let (columns, rows, side, gap) = SHEET;
    let members = &summary.order[cluster.start..cluster.start + cluster.size];
    let medoid = std::iter::once(cluster.medoid);
    let images: Vec<u32> = medoid
        .chain(members.iter().copied().filter(|&i| i != cluster.medoid))
        .take((columns * rows) as usize)
        .collect();
    let columns = columns.min(images.len() as u32);
    let rows = (images.len() as u32).div_ceil(columns);
    let length = |cells: u32| cells * (side + gap) + gap;
    let mut sheet = RgbImage::from_pixel(length(columns), length(rows), Rgb([255; 3]));
    for (at, &image) in (0..).zip(&images) {
        let cell = thumbnails(image as usize).and_then(|picture| square(&picture, side));
        let place = |cell: u32| i64::from(gap + cell * (side + gap));
        let (x, y) = (place(at % columns), place(at / columns));
        imageops::replace(&mut sheet, &cell.unwrap_or_else(|| placeholder(side)), x, y);
    }
    sheet
}

/// Map positions in a square of `MAP_SIDE`, and the radius of a point.
fn map_places(map: &[[f32; 2]]) -> (Vec<(f64, f64)>, f64) {
    let axis = |k: usize| {
        map.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), place| {
            (low.min(f64::from(place[k])), high.max(f64::from(place[k])))
        })
    };
    let (x, y) = (axis(0), axis(1));
    let span = (x.1 - x.0).max(y.1 - y.0).max(1e-9);
    let to = |value: f32, (low, high): (f64, f64)| {
        MAP_SIDE / 2. + (f64::from(value) - (low + high) / 2.) / span * (MAP_SIDE - 60.)
    };
    let radius = (0.3 * MAP_SIDE / (map.len().max(1) as f64).sqrt()).clamp(1.2, 9.);
    (map.iter().map(|place| (to(place[0], x), to(place[1], y))).collect(), radius)
}

fn map_svg(data: &ReportData, map: &[[f32; 2]]) -> String {
    let (places, radius) = map_places(map);
    let mut svg = format!(
        r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {MAP_SIDE} {MAP_SIDE}"><title>Map of {} images</title><rect width="{MAP_SIDE}" height="{MAP_SIDE}" fill="white"/>"#,
        places.len()
    );
    for (&(x, y), row) in places.iter().zip(&data.assignments) {
        let [r, g, b] = cluster_color(row.cluster);
        let _ = write!(svg, r##"<circle cx="{x:.1}" cy="{y:.1}" r="{radius:.1}" fill="#{r:02x}{g:02x}{b:02x}"/>"##);
    }
    svg.push_str("</svg>\n");
    svg
}

fn map_png(data: &ReportData, map: &[[f32; 2]]) -> RgbImage {
    let (places, radius) = map_places(map);
    let mut picture = RgbImage::from_pixel(MAP_SIDE as u32, MAP_SIDE as u32, Rgb([255; 3]));
    for (&place, row) in places.iter().zip(&data.assignments) {
        disc(&mut picture, place, radius, cluster_color(row.cluster));
    }
    picture
}

/// A word for a file name: letters and digits, the rest dashes.
fn file_word(text: &str) -> String {
    text.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' }).collect()
}
