use super::*;
use crate::lanes;

fn normal(n: usize, dim: usize, seed: u64) -> Codes {
    let mut rng = Rng::seed_from_u64(seed);
    Codes::new((0..n * dim).map(|_| rng.normal() as f32).collect(), dim).unwrap()
}

/// All rows in one cluster, none a copy.
fn fit(settings: &NoveltyDetection, rows: &Codes) -> NoveltyDetector {
    settings.fit(rows.view(), &vec![0; rows.len()], &vec![None; rows.len()]).unwrap()
}

fn marked(detector: &NoveltyDetector, rows: &Codes, share: f64) -> f64 {
    let p = detector.p_values(rows.view()).unwrap();
    p.iter().filter(|&&p| p <= share).count() as f64 / p.len() as f64
}

#[test]
fn p_values_are_ranks_among_the_distances_of_the_known() {
    // To their nearest other: 1, 1, 2, 4.
    let known = Codes::new(vec![0.0, 1.0, 3.0, 7.0], 1).unwrap();
    let detector = fit(&NoveltyDetection { n_neighbors: 1, ..NoveltyDetection::new(Metric::Euclidean) }, &known);
    let new = Codes::new(vec![7.0, 10.0, 11.0, 12.0, -1.5], 1).unwrap();
    // They lie 0, 3, 4, 5 and 1.5 from theirs; equal distances count as farther.
    let expected = [5.0, 2.0, 2.0, 1.0, 3.0].map(|rank: f64| rank / 5.0);
    assert_eq!(detector.p_values(new.view()).unwrap(), expected);
    assert_eq!(detector.least(), 0.2);
}

#[test]
fn rows_of_the_same_kind_are_marked_as_often_as_is_allowed_and_others_always() {
    let (known, own) = (normal(1500, 12, 1), normal(4000, 12, 2));
    let mut other = normal(200, 12, 3).into_data();
    other.iter_mut().step_by(12).for_each(|x| *x += 30.0);
    let other = Codes::new(other, 12).unwrap();
    for max_measured in [500, 2000] {
        let settings = NoveltyDetection { max_measured, ..NoveltyDetection::new(Metric::Euclidean) };
        let detector = fit(&settings, &known);
        for share in [0.01, 0.05, 0.2] {
            let found = marked(&detector, &own, share);
            // Standard deviations of the quantile and of the count, four of them together.
            let error = 4.0 * (share * (1.0 - share) * (1.0 / max_measured.min(1500) as f64 + 1.0 / 4000.0)).sqrt();
            assert!((found - share).abs() <= error, "{share}: {found}");
            assert_eq!(marked(&detector, &other, share), 1.0);
        }
    }
}

#[test]
fn a_run_that_holds_every_picture_several_times_marks_as_one_that_holds_it_once() {
    let once = normal(200, 8, 4);
    let new = normal(300, 8, 5);
    let settings = NoveltyDetection::new(Metric::Cosine);
    let mut twice = once.data().to_vec();
    let copies = twice.repeat(9);
    twice.extend(copies);
    let twice = Codes::new(twice, 8).unwrap();
    let duplicate_of: Vec<Option<u32>> = (0..2000).map(|row| (row >= 200).then_some(row % 200)).collect();
    let detector = settings.fit(twice.view(), &[0; 2000], &duplicate_of).unwrap();
    assert_eq!(detector, fit(&settings, &once));
    // What it saves from: were copies counted, each picture's nearest would be itself.
    let fooled = fit(&settings, &twice);
    assert!(marked(&fooled, &new, 0.05) > 0.9 && marked(&detector, &new, 0.05) < 0.1);
    // A photograph that is there already is known.
    assert_eq!(marked(&detector, &once, 0.05), 0.0);
}

#[test]
fn noise_is_not_known_and_a_copy_of_noise_is() {
    let rows = Codes::new(vec![0.0, 1.0, 2.0, 3.0, 100.0, 101.0, 100.0], 1).unwrap();
    let labels = [0, 0, 0, 0, -1, -1, 0];
    let copies = [None, None, None, None, None, None, Some(4)];
    let settings = NoveltyDetection { n_neighbors: 1, ..NoveltyDetection::new(Metric::Euclidean) };
    let known = settings.fit(rows.view(), &labels, &copies).unwrap();
    let expected = fit(&settings, &rows.view().gather(&[0, 1, 2, 3, 6]));
    assert_eq!(known, expected);
}

#[test]
fn few_rows_mark_only_what_their_number_can_tell() {
    let far = Codes::new(vec![900.0, 900.0], 2).unwrap();
    let settings = NoveltyDetection::new(Metric::Euclidean);
    for (n, least) in
        [(0, 1.0), (1, 1.0), (2, 1.0 / 3.0), (5, 1.0 / 6.0), (18, 1.0 / 19.0), (19, 0.05), (30, 1.0 / 31.0)]
    {
        let detector = fit(&settings, &normal(n, 2, 6));
        assert_eq!(detector.least(), least, "{n}");
        assert_eq!(detector.p_values(far.view()).unwrap(), [least], "{n}");
        assert_eq!(marked(&detector, &far, 0.05), f64::from(u8::from(n >= 19)), "{n}");
    }
}

#[test]
fn any_number_of_threads_and_any_company_give_the_same_values() {
    let (known, new) = (normal(3000, 40, 7), normal(700, 40, 8));
    for metric in [Metric::Cosine, Metric::Euclidean] {
        let run = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| {
                let detector = fit(&NoveltyDetection::new(metric), &known);
                let p = detector.p_values(new.view()).unwrap();
                (detector, p)
            })
        };
        let (detector, p) = run(1);
        assert_eq!((&detector, &p), (&run(3).0, &run(3).1));
        for row in (0..700).step_by(97) {
            let alone = new.view().gather(&[row]);
            assert_eq!(detector.p_values(alone.view()).unwrap(), [p[row as usize]]);
        }
    }
}

#[test]
fn what_cannot_be_measured_is_refused() {
    let rows = normal(5, 2, 9);
    let settings = NoveltyDetection::new(Metric::Cosine);
    let refuse = |settings: &NoveltyDetection, labels: &[i32], copies: &[Option<u32>]| {
        settings.fit(rows.view(), labels, copies).unwrap_err().to_string()
    };
    assert!(refuse(&settings, &[0; 4], &[None; 5]).contains("found 4 entries, expected 5"));
    assert!(refuse(&settings, &[0; 5], &[None; 6]).contains("found 6 entries, expected 5"));
    assert!(refuse(&settings, &[0; 5], &[None, None, None, None, Some(5)]).starts_with("duplicate_of = 5"));
    assert!(refuse(&NoveltyDetection { metric: Metric::Dot, ..settings.clone() }, &[0; 5], &[None; 5]).contains("dot"));
    for zero in [
        NoveltyDetection { n_neighbors: 0, ..settings.clone() },
        NoveltyDetection { max_measured: 0, ..settings.clone() },
    ] {
        assert!(refuse(&zero, &[0; 5], &[None; 5]).contains("= 0"));
    }
    assert!(fit(&settings, &rows).p_values(normal(2, 3, 1).view()).is_err());
}

proptest::proptest! {
    #[test]
    fn p_values_are_those_of_the_plain_loops(n in 2..40_usize, k in 1..8_usize, seed in 0..1000_u64) {
        let (known, new) = (normal(n, 3, seed), normal(6, 3, seed + 1000));
        let detector = fit(&NoveltyDetection { n_neighbors: k, ..NoveltyDetection::new(Metric::Euclidean) }, &known);
        let far = |row: &[f32], left_out: usize| {
            let others = known.view().iter().enumerate().filter(|&(at, _)| at != left_out);
            let mut all: Vec<f64> = others.map(|(_, other)| f64::from(lanes::squared_distance(row, other).sqrt())).collect();
            all.sort_by(f64::total_cmp);
            all.truncate(k.min(n - 1));
            all.iter().sum::<f64>() / all.len() as f64
        };
        let own: Vec<f64> = known.view().iter().enumerate().map(|(at, row)| far(row, at)).collect();
        let found = detector.p_values(new.view()).unwrap();
        for (row, p) in new.view().iter().zip(found) {
            let farther = own.iter().filter(|&&own| own >= far(row, usize::MAX)).count();
            let expected = (1.0 + farther as f64) / (n as f64 + 1.0);
            assert!((p - expected).abs() <= 1e-12, "{p} {expected}");
        }
    }
}
