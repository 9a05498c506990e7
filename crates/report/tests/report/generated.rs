//! Runs made of drawn pictures, as large as wanted.

use std::collections::BTreeMap;

use fs_err as fs;
use image::{Rgb, RgbImage};
use sporeprint_report::{Picture, ReportData};
use sporeprint_run::config::{Architecture, CodeKind, EncoderConfig, ImagesConfig, Labels, RunConfig};
use sporeprint_run::tables::{
    Assignment, Choice, ClusterRow, ImageRow, ImageStatus, KCurve, KPoint, LogLine, NameOrigin, NameRow, NeighborTable,
    Quality, SkippedRow, write_assignments, write_choice, write_clusters, write_images, write_k_curve, write_names,
    write_neighbors, write_quality, write_skipped,
};
use sporeprint_run::{RunDir, write_npy};

/// A run that no program made: kinds of drawn mushrooms, clusters that mostly follow them.
pub(crate) struct GeneratedRun {
    pub(crate) data: ReportData,
}

/// A number below 1 from a place in a sequence (splitmix64).
pub(crate) fn chance(seed: u64, at: u64) -> f64 {
    let mut z = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(at.wrapping_mul(0xbf58_476d_1ce4_e5b9));
    z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((z ^ z >> 31) >> 11) as f64 / (1u64 << 53) as f64
}

fn bell(seed: u64, at: u64) -> f64 {
    (0..4).map(|k| chance(seed + k, at) - 0.5).sum::<f64>() * 1.7
}

impl GeneratedRun {
    /// Kinds of very different sizes, as real ones are.
    pub(crate) fn kind(index: usize, n_kinds: usize) -> usize {
        ((chance(17, index as u64).powf(1.7)) * n_kinds as f64) as usize
    }

    pub(crate) fn new(n: usize, n_kinds: usize, seed: u64) -> Self {
        let names =
            ["agaric", "bolete", "bracket", "chanterelle", "club", "coral", "cup", "earthstar", "morel", "puffball"];
        let assignment = |i: usize| {
            let at = i as u64;
            let kind = Self::kind(i, n_kinds);
            let strayed = chance(seed, at) < 0.08;
            let cluster = if strayed { (chance(seed + 1, at) * n_kinds as f64) as usize } else { kind };
            let distance = 0.1 + 0.25 * chance(seed + 2, at) + if strayed { 0.3 } else { 0. };
            Assignment {
                index: i as u32,
                path: format!("/photos/{}/{i:06}.jpg", names[kind % names.len()]),
                cluster: cluster as i32,
                distance: distance as f32,
                second: -1,
                margin: (0.4 - 0.5 * distance).max(0.) as f32,
                outlier: (distance / 0.5) as f32,
                duplicate_of: (i > 0 && chance(seed + 3, at) < 0.02).then(|| i as u32 - 1),
                neighbors: Vec::new(),
            }
        };
        let mut assignments: Vec<_> = (0..n).map(assignment).collect();
        let mut sizes = vec![0usize; n_kinds];
        assignments.iter().for_each(|row| sizes[row.cluster as usize] += 1);
        let mut by_size: Vec<_> = (0..n_kinds).filter(|&kind| sizes[kind] > 0).collect();
        by_size.sort_by_key(|&kind| (std::cmp::Reverse(sizes[kind]), kind));
        let rank: BTreeMap<_, _> = by_size.iter().enumerate().map(|(rank, &kind)| (kind as i32, rank as i32)).collect();
        assignments.iter_mut().for_each(|row| row.cluster = rank[&row.cluster]);
        let images: Vec<_> = assignments
            .iter()
            .enumerate()
            .map(|(i, row)| ImageRow {
                index: row.index,
                path: row.path.clone(),
                name: row.path.trim_start_matches("/photos/").to_owned(),
                width: 640,
                height: 480,
                orientation: 1,
                status: ImageStatus::Ok,
                label: Some(names[Self::kind(i, n_kinds) % names.len()].to_owned()),
                dhash: format!("{i:016x}"),
            })
            .collect();
        let n_clusters = by_size.len() as i32;
        let mut members: Vec<Vec<&Assignment>> = vec![Vec::new(); by_size.len()];
        assignments.iter().for_each(|row| members[row.cluster as usize].push(row));
        let cluster = |(id, rows): (i32, &Vec<&Assignment>)| ClusterRow {
            cluster: id,
            size: rows.len() as u32,
            spread: rows.iter().map(|row| row.distance).sum::<f32>() / rows.len() as f32,
            medoid: rows.iter().min_by(|a, b| a.distance.total_cmp(&b.distance)).map_or(0, |row| row.index),
            nearest: (1..n_clusters.min(6)).map(|step| (id + step) % n_clusters).collect(),
        };
        let clusters = (0..).zip(&members).map(cluster).collect();
        let place = |(i, row): (usize, &Assignment)| {
            let (angle, at) = (f64::from(row.cluster) * 2.4, i as u64);
            let out = 3. * f64::from(row.cluster + 1).sqrt();
            let spread = 0.5 + f64::from(row.distance);
            [(out * angle.cos() + spread * bell(5, at)) as f32, (out * angle.sin() + spread * bell(55, at)) as f32]
        };
        let map = assignments.iter().enumerate().map(place).collect();
        let k = 12.min(n.saturating_sub(1));
        let mate = |i: usize, step: usize| {
            let mates = &members[assignments[i].cluster as usize];
            if mates.len() > k + 1 {
                let own = mates.partition_point(|row| (row.index as usize) < i);
                mates[(own + step) % mates.len()].index
            } else {
                ((i + step) % n) as u32
            }
        };
        let indices = (0..n).flat_map(|i| (1..=k).map(move |step| (i, step))).map(|(i, step)| mate(i, step)).collect();
        let similarities = (0..n * k).map(|pair| 0.95 - 0.03 * (pair % k) as f32).collect();
        let data = ReportData {
            title: "mushrooms".to_owned(),
            images,
            skipped: vec![
                SkippedRow {
                    path: "/photos/cup/broken.jpg".to_owned(),
                    reason: "the file ends in the middle of the picture".to_owned(),
                },
                SkippedRow {
                    path: "/photos/=HYPERLINK(\"x\").png".to_owned(),
                    reason: "not an image: 12 bytes of text".to_owned(),
                },
            ],
            assignments,
            clusters,
            names: vec![name_row(0, "fly agaric & <b>friends</b>"), suggested_row(1, "mushroom")],
            neighbors: Some(NeighborTable { k, indices, similarities }),
            map: Some(map),
            metrics: metrics(),
            choice: Some(choice()),
            quality: quality(n),
            k_curve: Some(k_curve(n_clusters as u32)),
            config_text: toml::to_string_pretty(&settings()).expect("settings"),
            config: Some(settings()),
            has_reconstructions: true,
        };
        Self { data }
    }

    /// Gives the first images names that try to break pages, tables and lines.
    #[allow(dead_code, reason = "not every test that includes this file makes names hostile")]
    pub(crate) fn make_names_hostile(&mut self) {
        let names = [
            "<img src=x onerror=\"window.broken=1\">.png",
            "\"><script>window.broken=1</script>.png",
            "evil\u{202e}gnp.exe",
            "=cmd|' /C calc'!A0.png",
            "line\nbreak\ttab.png",
            "a'b\"c`d${window.broken=1}.png",
            "日本語 émoji 👩‍🌾.png",
            "a very long name that goes on and on and on and on and on and on and on and on and on and on.png",
        ];
        for (image, name) in self.data.images.iter_mut().zip(names) {
            image.name = format!("hostile/{name}");
            image.path = format!("/photos/hostile/{name}");
        }
        for (row, image) in self.data.assignments.iter_mut().zip(&self.data.images).take(names.len()) {
            row.path.clone_from(&image.path);
        }
    }

    /// Writes every table of the run.
    pub(crate) fn write(&self, run: &RunDir) {
        let data = &self.data;
        fs::create_dir_all(run.root()).expect("folder");
        write_images(&run.images(), &data.images).expect("images");
        write_skipped(&run.skipped(), &data.skipped).expect("skipped");
        write_assignments(run, &data.assignments).expect("assignments");
        write_clusters(&run.clusters_csv(), &data.clusters).expect("clusters");
        write_names(&run.names(), &data.names).expect("names");
        write_neighbors(&run.neighbors(), data.neighbors.as_ref().expect("neighbors")).expect("neighbors");
        let map = data.map.as_ref().expect("map");
        write_npy(&run.map(), &[map.len(), 2], map.as_flattened()).expect("map");
        let lines: String = data.metrics.iter().map(|metric| metric.to_line() + "\n").collect();
        fs::write(run.metrics(), lines).expect("metrics");
        write_quality(&run.evaluation(), &data.quality).expect("quality");
        if let Some(choice) = &data.choice {
            write_choice(&run.choice(), choice).expect("choice");
        }
        write_k_curve(&run.k_curve(), data.k_curve.as_ref().expect("k curve")).expect("k curve");
        fs::write(run.config(), &data.config_text).expect("settings");
        let mut pairs = RgbImage::new(6 * 160, 2 * 160);
        for cell in 0..6 {
            let drawn = picture(cell, cell, 160);
            let drawn = RgbImage::from_raw(160, 160, drawn.data.into_owned()).expect("picture");
            image::imageops::replace(&mut pairs, &drawn, 160 * cell as i64, 0);
            image::imageops::replace(&mut pairs, &image::imageops::blur(&drawn, 4.), 160 * cell as i64, 160);
        }
        pairs.save(run.reconstructions()).expect("reconstructions");
    }
}

fn settings() -> RunConfig {
    let mut config = RunConfig {
        images: ImagesConfig { paths: vec!["/photos".into()], labels: Labels::FromDirs, ..ImagesConfig::default() },
        encoder: EncoderConfig { architecture: Architecture::Vgg16Bn, width: 0.25, ..EncoderConfig::default() },
        ..RunConfig::default()
    };
    (config.pretrain.epochs, config.aggregate.epochs) = (20, 30);
    config
}

fn metrics() -> Vec<LogLine> {
    let short = |number: f64| (number * 1e4).round() / 1e4;
    let pretrain = (1..=20).map(|epoch| {
        let epoch = f64::from(epoch);
        let loss = 0.15 + 0.9 * (-epoch / 5.).exp() + 0.01 * (epoch * 1.7).sin();
        LogLine::new("pretrain", epoch)
            .number("loss", short(loss))
            .number("learning_rate", short(0.05 * 0.9f64.powf(epoch)))
    });
    let aggregate = (1..=30).map(|epoch| {
        let epoch = f64::from(epoch);
        let metric = LogLine::new("aggregate", epoch)
            .number("loss", short(1.1 + 2.2 * (-epoch / 9.).exp()))
            .number("overlap", short(0.11 + 0.01 * (epoch / 3.).sin()))
            .number("singletons", short(0.02 + 0.05 / epoch))
            .number("bank_movement", short(0.4 / epoch.sqrt()));
        let close = "close and background neighbours overlap by 17 %, above the 5 to 15 % that train well";
        if epoch == 12. {
            metric.text("warning", close).text("remedy", "Raise the number of centroids (--centroids).")
        } else {
            metric
        }
    });
    pretrain.chain(aggregate).collect()
}

fn choice() -> Choice {
    let figures = |modularity| BTreeMap::from([("trial_modularity".to_owned(), modularity)]);
    Choice {
        chosen: CodeKind::Backbone,
        compared: vec![CodeKind::Untouched, CodeKind::Backbone],
        figures: BTreeMap::from([("untouched".to_owned(), figures(0.41)), ("backbone".to_owned(), figures(0.52))]),
        words: "training on the folder helped as far as can be told without labels (untouched 0.410, backbone 0.520)"
            .to_owned(),
    }
}

fn quality(n_labelled: usize) -> Vec<Quality> {
    let row = |codes: &str, acc: f64, nmi: f64, ari: f64| Quality {
        codes: codes.to_owned(),
        n_labelled: Some(n_labelled),
        figures: BTreeMap::from(
            [
                ("acc", acc),
                ("nmi", nmi),
                ("ari", ari),
                ("silhouette", (nmi * 33.).round() / 100.),
                ("trustworthiness", 0.9),
            ]
            .map(|(name, figure)| (name.to_owned(), figure)),
        ),
    };
    vec![
        row("pixels", 0.21, 0.11, 0.05),
        row("untrained", 0.27, 0.19, 0.1),
        row("autoencoder", 0.38, 0.33, 0.21),
        row("final", 0.81, 0.78, 0.7),
    ]
}

fn k_curve(chosen: u32) -> KCurve {
    let point = |k: u32| {
        let off = (f64::from(k) / f64::from(chosen)).ln();
        let figures = [
            ("trial_modularity", (60. * (-off * off / 3.).exp()).round() / 100.),
            ("silhouette", (42. * (-off * off).exp()).round() / 100.),
            ("stability", (90. * (-off * off / 2.).exp()).round() / 100.),
        ];
        KPoint { k, figures: figures.into_iter().map(|(name, figure)| (name.to_owned(), figure)).collect() }
    };
    KCurve {
        chosen,
        alternatives: vec![(chosen / 2).max(2), chosen * 2],
        points: (2..=2 * chosen.max(2)).map(point).collect(),
    }
}

/// A mushroom: cap, stem and spots whose colours and shape follow its kind, its place and size its index.
pub(crate) fn picture(index: usize, kind: usize, side: u32) -> Picture<'static> {
    let at = index as u64;
    let s = f64::from(side);
    let tone = |salt: u64| chance(100 + salt, kind as u64);
    let (cx, cy) = (s * (0.5 + 0.08 * bell(1, at)), s * (0.42 + 0.06 * bell(2, at)));
    let (rx, ry) = (s * (0.24 + 0.14 * tone(1)) * (0.9 + 0.2 * chance(3, at)), s * (0.12 + 0.16 * tone(2)));
    let ground = [90. + 60. * chance(4, at), 100. + 50. * chance(5, at), 60. + 40. * chance(6, at)];
    let cap = [90. + 160. * tone(3), 40. + 150. * tone(4), 30. + 110. * tone(5)];
    let (n_spots, stem) = ((tone(6) * 9.) as u64, s * (0.04 + 0.06 * tone(7)));
    let drawn = RgbImage::from_fn(side, side, |x, y| {
        let (x, y) = (f64::from(x), f64::from(y));
        let shade = 1. - 0.35 * (y / s) + 0.12 * ((x * 0.31 + at as f64).sin() * (y * 0.27).cos());
        let mut color = ground.map(|c| c * shade);
        if (x - cx).abs() < stem * (1. + 0.4 * (y - cy) / s) && y > cy && y < cy + s * 0.42 {
            color = [232., 222., 200.].map(|c| c * (1. - 0.3 * ((x - cx) / stem).powi(2)));
        }
        let (dx, dy) = ((x - cx) / rx, (y - cy) / ry);
        if dx * dx + dy * dy < 1. && dy < 0.35 {
            let light = 1.15 - 0.45 * (dx * dx + dy * dy) - 0.1 * dy;
            color = cap.map(|c| c * light);
            for spot in 0..n_spots {
                let (sx, sy) = (1.5 * (chance(7 + spot, at) - 0.5), 0.9 * (chance(27 + spot, at) - 0.65));
                if (dx - sx).powi(2) + (dy - sy).powi(2) < 0.012 + 0.012 * chance(47, spot) {
                    color = [245., 240., 228.];
                }
            }
        }
        Rgb(color.map(|c| c.clamp(0., 255.) as u8))
    });
    Picture { width: side, height: side, data: drawn.into_raw().into() }
}

fn suggested_row(cluster: i32, name: &str) -> NameRow {
    let suggestion = Some(name.to_owned());
    let row = NameRow { suggestion, suggestion_share: Some(0.6), ..NameRow::unnamed(cluster, 40) };
    row.called(None).expect("a suggestion")
}

fn name_row(cluster: i32, name: &str) -> NameRow {
    NameRow {
        cluster,
        size: 40,
        name: name.to_owned(),
        origin: NameOrigin::Words,
        word: Some(name.to_owned()),
        similarity: Some(0.27),
        share: Some(0.8),
        distinctive: Some(name.to_owned()),
        others: Some("puffball; morel".to_owned()),
        suggestion: Some("mushroom".to_owned()),
        suggestion_share: Some(0.6),
    }
}
