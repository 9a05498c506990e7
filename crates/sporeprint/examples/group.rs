//! Photographs in, a table of clusters out: `cargo run --release --example group -- PHOTOS CLUSTERS`

#![expect(clippy::print_stdout, reason = "the table is what this program is for")]

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let photos = arguments.next().ok_or("expected a folder of photographs, then a number of clusters")?;
    let clusters = arguments.next().ok_or("expected a number of clusters after the folder")?.parse()?;
    let groups = sporeprint::group([photos]).fast().clusters(clusters).run()?;
    for image in &groups.images {
        println!("{}\t{}", image.path, image.cluster);
    }
    Ok(())
}
