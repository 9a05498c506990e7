//! The data files of the pages: columns as base 64, names and neighbours in parts that load when needed.

use serde_json::{Value, json};

use super::ReportData;
use super::escape::{base64, script_value};
use super::sprites::Sheets;
use super::summary::{CARD_CELLS, Summary};
use sporeprint_run::text::visible;

/// Images per part of names and neighbours.
const PART: usize = 2048;

/// All data files as (name below the report, text).
pub(super) fn data_files(data: &ReportData, summary: &Summary, sheets: &Sheets) -> Vec<(String, String)> {
    let mut files = vec![
        ("data/run.js".to_owned(), format!("window.SP = {};\n", script_value(&run(data, summary, sheets)))),
        (
            "data/columns.js".to_owned(),
            format!("window.SP.columns = {};\n", script_value(&columns(data, summary, sheets))),
        ),
    ];
    if let Some(map) = &data.map {
        let bytes = map.iter().flatten().flat_map(|number| number.to_le_bytes());
        files.push(("data/map.js".to_owned(), format!("window.SP.map = \"{}\";\n", base64(bytes))));
    }
    for (part, images) in data.images.chunks(PART).enumerate() {
        let names: Vec<Value> = images.iter().map(|image| json!([visible(&image.name), image.path])).collect();
        files.push(part_file("names", part, &Value::from(names)));
    }
    if let Some(table) = data.neighbors.as_ref().filter(|table| table.k > 0) {
        let n_pairs = PART * table.k;
        let parts = table.indices.chunks(n_pairs).zip(table.similarities.chunks(n_pairs));
        for (part, (indices, similarities)) in parts.enumerate() {
            let value = json!({
                "indices": base64(indices.iter().flat_map(|number| number.to_le_bytes())),
                "similarities": base64(similarities.iter().flat_map(|number| number.to_le_bytes())),
            });
            files.push(part_file("neighbors", part, &value));
        }
    }
    files
}

fn part_file(kind: &str, part: usize, value: &Value) -> (String, String) {
    (format!("data/{kind}-{part}.js"), format!("SP.put(\"{kind}-{part}\", {});\n", script_value(value)))
}

fn run(data: &ReportData, summary: &Summary, sheets: &Sheets) -> Value {
    let clusters: Vec<Value> = summary
        .clusters
        .iter()
        .map(|cluster| {
            json!({
                "id": cluster.id, "name": cluster.name.as_ref().map(|name| visible(name)), "suggested": cluster.is_suggested, "size": cluster.size, "spread": cluster.spread, "medoid": cluster.medoid,
                "nearest": cluster.nearest, "start": cluster.start, "odd": cluster.odd,
                "top_label": cluster.top_label.as_ref().map(|(label, _)| visible(label)),
                "top_share": cluster.top_label.as_ref().map(|(_, share)| share),
            })
        })
        .collect();
    json!({
        "title": visible(&data.title),
        "pictures": sheets.n_absent() < data.n_images(),
        "n": data.n_images(),
        "chunk": PART,
        "largest": summary.largest().max(1),
        "labels": summary.labels.iter().map(|label| visible(label)).collect::<Vec<_>>(),
        "neighbors": data.neighbors.as_ref().map_or(0, |table| table.k),
        "sheet": { "cell": sheets.layout.cell, "columns": sheets.layout.columns, "rows": sheets.layout.rows },
        "cardCells": CARD_CELLS,
        "clusters": clusters,
    })
}

fn columns(data: &ReportData, summary: &Summary, sheets: &Sheets) -> Value {
    let n = data.n_images();
    let rows = &data.assignments;
    // Before clustering there are no assignments: everything is noise at distance 0.
    let ints = |of: fn(&sporeprint_run::tables::Assignment) -> i32| {
        let numbers = (0..n).map(|i| rows.get(i).map_or(-1, of));
        base64(numbers.flat_map(i32::to_le_bytes))
    };
    let floats = |of: fn(&sporeprint_run::tables::Assignment) -> f32| {
        let numbers = (0..n).map(|i| rows.get(i).map_or(0., of));
        base64(numbers.flat_map(f32::to_le_bytes))
    };
    json!({
        "cluster": ints(|row| row.cluster),
        "distance": floats(|row| row.distance),
        "margin": floats(|row| row.margin),
        "outlier": floats(|row| row.outlier),
        "duplicate_of": ints(|row| row.duplicate_of.map_or(-1, |of| of as i32)),
        "label": base64(summary.label_ids.iter().flat_map(|id| id.to_le_bytes())),
        // One bit for pixels that are gone, one for a file that is.
        "absent": base64((0..n).map(|i| {
            let bit = |flags: &[bool]| u8::from(flags.get(i).copied().unwrap_or(false));
            bit(&sheets.absent) | bit(&sheets.moved) << 1
        })),
        "order": base64(summary.order.iter().flat_map(|image| image.to_le_bytes())),
    })
}
