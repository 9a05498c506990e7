//! Pictures made of points: the map and the confusion with labels as PNG.

use image::{Rgb, RgbImage};

/// Colour of a cluster on the map, far from that of its neighbours by id (golden angle); noise is grey.
pub(super) fn cluster_color(id: i32) -> [u8; 3] {
    if id < 0 {
        return [140, 135, 130];
    }
    let id = f64::from(id);
    hsl((id * 137.508 + 18.) % 360., 0.62, 0.47 + 0.07 * (id % 3. - 1.))
}

fn hsl(hue: f64, saturation: f64, lightness: f64) -> [u8; 3] {
    let reach = saturation * lightness.min(1. - lightness);
    [0., 8., 4.].map(|k| {
        let t = (k + hue / 30.) % 12.;
        (255. * (lightness - reach * (t - 3.).min(9. - t).clamp(-1., 1.))).round() as u8
    })
}

/// Draws a disc with soft edges.
pub(super) fn disc(picture: &mut RgbImage, (x, y): (f64, f64), radius: f64, color: [u8; 3]) {
    let (width, height) = (i64::from(picture.width()), i64::from(picture.height()));
    let reach = radius.ceil() as i64 + 1;
    for row in (y as i64 - reach).max(0)..=(y as i64 + reach).min(height - 1) {
        for column in (x as i64 - reach).max(0)..=(x as i64 + reach).min(width - 1) {
            let away = ((column as f64 + 0.5 - x).powi(2) + (row as f64 + 0.5 - y).powi(2)).sqrt();
            let share = (radius + 0.5 - away).clamp(0., 1.);
            if share > 0. {
                let Rgb(below) = *picture.get_pixel(column as u32, row as u32);
                let mix = |k: usize| (f64::from(below[k]) * (1. - share) + f64::from(color[k]) * share).round() as u8;
                picture.put_pixel(column as u32, row as u32, Rgb([mix(0), mix(1), mix(2)]));
            }
        }
    }
}
