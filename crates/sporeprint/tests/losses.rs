//! The objectives over the memory bank against PyTorch's numbers, closed forms, naive versions and differences.
//! `reference/fixtures/*.json` were computed with autograd in f64; `reference/README.md` says how.

use proptest::prelude::*;
use serde_json::Value;
use sporeprint::bank::MemoryBank;
use sporeprint::loss::{
    ClusterHardness, NoiseContrast, Target, UnitCodes, decorrelation, instance_nce, instance_softmax, local_aggregation,
};
use sporeprint::neighbors::{Clusterings, NeighborSets};
use sporeprint_cluster::{Metric, Rng, RowsView, nearest};

struct Fixture(Value);

impl Fixture {
    fn read(name: &str) -> Self {
        let path = format!("{}/../../reference/fixtures/{name}.json", env!("CARGO_MANIFEST_DIR"));
        let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{path}: {e}"));
        Self(serde_json::from_str(&text).expect("a fixture is JSON"))
    }

    fn numbers(&self, key: &str) -> Vec<f32> {
        fn flat(value: &Value, out: &mut Vec<f32>) {
            match value {
                Value::Array(items) => items.iter().for_each(|item| flat(item, out)),
                Value::Bool(b) => out.push(f32::from(u8::from(*b))),
                number => out.push(number.as_f64().expect("a number") as f32),
            }
        }
        let mut out = Vec::new();
        flat(&self.0[key], &mut out);
        assert!(!out.is_empty(), "the fixture has no {key}");
        out
    }

    fn indices(&self, key: &str) -> Vec<u32> {
        self.numbers(key).into_iter().map(|x| x as u32).collect()
    }

    fn number(&self, key: &str) -> f32 {
        self.numbers(key)[0]
    }
}

/// `|a - b| / |b|`, NaN if either holds one.
fn distance(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    let norm = |x: &mut dyn Iterator<Item = f32>| x.map(|v| v * v).sum::<f32>().sqrt();
    norm(&mut a.iter().zip(b).map(|(a, b)| a - b)) / norm(&mut b.iter().copied()).max(1e-30)
}

fn check(what: &str, found: &[f32], expected: &[f32]) {
    let diff = distance(found, expected);
    assert!(diff <= 1e-4, "{what}: off by {diff}\nfound    {found:?}\nexpected {expected:?}");
}

fn background(codes: &UnitCodes, bank: &MemoryBank, k: usize) -> sporeprint_cluster::Neighbors {
    let view = |rows, dim| RowsView::new(rows, dim).expect("finite rows");
    nearest(view(codes.rows(), codes.dim()), view(bank.rows(), bank.dim()), k, Metric::Dot).expect("k in range")
}

#[test]
fn local_aggregation_equals_the_authors_form() {
    let f = Fixture::read("la_authors");
    let mut bank = MemoryBank::from_rows(f.numbers("bank"), 5);
    let images = f.indices("idx");
    let codes = UnitCodes::new(&f.numbers("codes"), 5);
    let found = background(&codes, &bank, 7);
    assert_eq!(found.indices(), f.indices("topk_idx"));
    let sets = NeighborSets::intersect(&images, found, &Clusterings::new(f.indices("labels"), 16));
    let close: Vec<f32> = sets.close.iter().map(|&c| f32::from(u8::from(c))).collect();
    assert_eq!(close, f.numbers("close_mask"));
    let step = local_aggregation(&codes, &bank, &sets, 0.07, 1e-7);
    check("loss", &[step.code_loss.loss], &[f.number("loss")]);
    check("p", &step.probabilities, &f.numbers("p"));
    check("gradient", &step.code_loss.gradient, &f.numbers("grad_codes"));
    bank.update(&images, codes.rows(), 0.5);
    let rows: Vec<f32> = images.iter().flat_map(|&i| bank.row(i).to_vec()).collect();
    check("bank", &rows, &f.numbers("new_bank_rows"));
}

#[test]
fn local_aggregation_equals_the_article_with_its_options() {
    let f = Fixture::read("la_article");
    let mut bank = MemoryBank::from_rows(f.numbers("bank_before"), 5);
    let images = f.indices("idx");
    let codes = UnitCodes::new(&f.numbers("codes"), 5);
    bank.update(&images, codes.rows(), f.number("mixing_new"));
    check("bank", bank.rows(), &f.numbers("bank_after"));
    let sets =
        NeighborSets::intersect(&images, background(&codes, &bank, 8), &Clusterings::new(f.indices("labels"), 16));
    let mut mask = vec![0.0; 4 * 16];
    (0..4).for_each(|i| sets.background.indices_of(i).iter().for_each(|&j| mask[i * 16 + j as usize] = 1.0));
    assert_eq!(mask, f.numbers("background"));
    let step = local_aggregation(&codes, &bank, &sets, 0.07, 0.0);
    check("loss", &[step.code_loss.loss], &[f.number("loss")]);
    check("gradient", &step.code_loss.gradient, &f.numbers("grad_codes"));
}

#[test]
fn noise_contrast_equals_pytorch() {
    let f = Fixture::read("ir_nce");
    let bank = MemoryBank::from_rows(f.numbers("bank"), 5);
    let codes = UnitCodes::new(&f.numbers("codes"), 5);
    let constants = NoiseContrast { normaliser: f64::from(f.number("Z")), temperature: 0.07 };
    let found = instance_nce(&codes, &f.indices("idx"), &f.indices("noise"), &bank, constants);
    check("loss", &[found.loss], &[f.number("loss")]);
    check("gradient", &found.gradient, &f.numbers("grad_codes"));
}

#[test]
fn cluster_hardness_has_decs_gradient_because_its_target_is_constant() {
    let f = Fixture::read("cluster_hardness");
    let codes = f.numbers("codes");
    let centres = ClusterHardness::new(f.numbers("centres"), 3);
    let q = centres.soft_assignments(&codes);
    check("q", &q, &f.numbers("q"));
    let target = Target::sharpen(&q, 3);
    check("p", target.rows(), &f.numbers("p"));
    let found = centres.step(&codes, &[0, 1, 2, 3, 4], &target);
    check("loss", &[found.loss], &[f.number("loss")]);
    check("codes", &found.codes, &f.numbers("grad_codes_dec"));
    check("centres", &found.centres, &f.numbers("grad_centres_dec"));
    // The article's repository lets the gradient through the target, and gets nearly the opposite direction.
    let dot: f32 = found.codes.iter().zip(f.numbers("grad_codes_article")).map(|(a, b)| a * b).sum();
    assert!(dot < 0.0, "the two gradients should disagree, their product is {dot}");
}

/// A bank of unit rows and codes near some of them.
fn example(seed: u64, n: usize, batch: usize, dim: usize) -> (MemoryBank, Vec<f32>, Vec<u32>) {
    let mut rng = Rng::new(seed);
    let bank = MemoryBank::random(n, dim, seed ^ 1);
    let images: Vec<u32> = (0..batch as u32).collect();
    let codes =
        images.iter().flat_map(|&i| bank.row(i).to_vec()).map(|u| 2.0 * (u + 0.3 * rng.normal() as f32)).collect();
    (bank, codes, images)
}

/// Central differences of `loss` on every value of `codes`, in steps that f32 can resolve.
fn differences(codes: &[f32], loss: impl Fn(&[f32]) -> f32) -> Vec<f32> {
    let h = 1e-2;
    (0..codes.len())
        .map(|at| {
            let shifted = |by: f32| {
                let mut shifted = codes.to_vec();
                shifted[at] += by;
                loss(&shifted)
            };
            // Richardson's extrapolation of two central differences.
            let (wide, narrow) =
                ((shifted(2.0 * h) - shifted(-2.0 * h)) / (4.0 * h), (shifted(h) - shifted(-h)) / (2.0 * h));
            (4.0 * narrow - wide) / 3.0
        })
        .collect()
}

#[test]
fn gradients_equal_differences() {
    let (bank, codes, images) = example(3, 12, 6, 4);
    let near = |what: &str, found: &[f32], expected: Vec<f32>| {
        let diff = distance(found, &expected);
        assert!(diff <= 2e-2, "{what}: off by {diff}");
    };
    let softmax = |c: &[f32]| instance_softmax(&UnitCodes::new(c, 4), &images, &bank, 0.5);
    near("instance", &softmax(&codes).gradient, differences(&codes, |c| softmax(c).loss));
    let idfd = |c: &[f32]| decorrelation(&UnitCodes::new(c, 4));
    near("decorrelation", &idfd(&codes).gradient, differences(&codes, |c| idfd(c).loss));
    let labels = Clusterings::new(vec![0, 0, 1, 1, 2, 2, 0, 1, 2, 0, 1, 2], 12);
    let aggregation = |c: &[f32]| {
        let unit = UnitCodes::new(c, 4);
        let sets = NeighborSets::intersect(&images, background(&unit, &bank, 12), &labels);
        local_aggregation(&unit, &bank, &sets, 0.5, 1e-7).code_loss
    };
    near("local aggregation", &aggregation(&codes).gradient, differences(&codes, |c| aggregation(c).loss));
}

#[test]
fn decorrelated_codes_have_the_least_loss() {
    // Four orthogonal columns: C = I / 2, so every row's cross-entropy is ln(e^0.5 + 3) - 0.5.
    let codes = [1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0];
    let expected = (0.5f32.exp() + 3.0).ln() - 0.5;
    let found = decorrelation(&UnitCodes::new(&codes, 4)).loss;
    assert!((found - expected).abs() <= 1e-6, "{found} is not {expected}");
    let alike: Vec<f32> = (0..16).map(|i| 1.0 + 0.01 * i as f32).collect();
    assert!(decorrelation(&UnitCodes::new(&alike, 4)).loss > found + 0.3);
}

#[test]
fn the_instance_loss_of_equal_rows_is_the_logarithm_of_their_number() {
    let bank = MemoryBank::from_rows([1.0, 0.0].repeat(50), 2);
    let codes = UnitCodes::new(&[0.6, 0.8], 2);
    let found = instance_softmax(&codes, &[7], &bank, 0.07);
    assert!((found.loss - 50f32.ln()).abs() <= 1e-5, "{}", found.loss);
    assert!(found.gradient.iter().all(|g| g.abs() <= 1e-5), "{:?}", found.gradient);
}

#[test]
fn close_neighbours_that_contain_the_background_leave_nothing_to_learn() {
    let (bank, codes, images) = example(5, 12, 4, 4);
    let codes = UnitCodes::new(&codes, 4);
    let sets = NeighborSets::intersect(&images, background(&codes, &bank, 5), &Clusterings::new(vec![0; 12], 12));
    let step = local_aggregation(&codes, &bank, &sets, 0.07, 1e-7);
    assert!(step.code_loss.loss.abs() <= 1e-6, "{}", step.code_loss.loss);
    assert!(step.code_loss.gradient.iter().all(|g| g.abs() <= 1e-5));
    assert!(step.probabilities.iter().all(|p| (p - 1.0).abs() <= 1e-6));
}

#[test]
fn no_close_neighbour_gives_a_finite_loss_and_no_gradient() {
    let bank = MemoryBank::from_rows(vec![1.0, 0.0, 0.0, 1.0, 0.1, 0.995], 2);
    // The code of image 0 lies at the other two, which are in another cluster, and k leaves its own row out.
    let codes = UnitCodes::new(&[0.0, 3.0], 2);
    let sets = NeighborSets::intersect(&[0], background(&codes, &bank, 2), &Clusterings::new(vec![0, 1, 1], 3));
    let step = local_aggregation(&codes, &bank, &sets, 0.07, 1e-7);
    assert!((step.code_loss.loss - 16.118).abs() <= 1e-3, "{}", step.code_loss.loss);
    assert_eq!(step.code_loss.gradient, [0.0, 0.0]);
}

#[test]
fn singletons_are_pushed_away_from_everything_else() {
    let (bank, codes, images) = example(6, 12, 4, 4);
    let codes = UnitCodes::new(&codes, 4);
    let sets =
        NeighborSets::intersect(&images, background(&codes, &bank, 12), &Clusterings::new((0..12).collect(), 12));
    let aggregation = local_aggregation(&codes, &bank, &sets, 0.07, 0.0).code_loss;
    // With C n B = {i} and B everything, Local Aggregation is instance recognition.
    let instance = instance_softmax(&codes, &images, &bank, 0.07);
    check("loss", &[aggregation.loss], &[instance.loss]);
    check("gradient", &aggregation.gradient, &instance.gradient);
}

#[test]
fn a_tiny_temperature_stays_finite() {
    let (bank, codes, images) = example(8, 12, 4, 4);
    let codes = UnitCodes::new(&codes, 4);
    let labels = Clusterings::new((0..12).map(|i| i % 3).collect(), 12);
    let sets = NeighborSets::intersect(&images, background(&codes, &bank, 12), &labels);
    for temperature in [1e-3, 1e-2, 1.0, 100.0] {
        let step = local_aggregation(&codes, &bank, &sets, temperature, 1e-7);
        assert!(step.code_loss.loss.is_finite() && step.code_loss.gradient.iter().all(|g| g.is_finite()));
        let instance = instance_softmax(&codes, &images, &bank, temperature);
        assert!(instance.loss.is_finite() && instance.gradient.iter().all(|g| g.is_finite()));
    }
}

#[test]
fn a_code_of_zeros_gets_a_finite_gradient() {
    let bank = MemoryBank::random(8, 3, 1);
    let codes = UnitCodes::new(&[0.0, 0.0, 0.0], 3);
    let found = instance_softmax(&codes, &[2], &bank, 0.07);
    assert!(found.loss.is_finite() && found.gradient.iter().all(|g| g.is_finite()), "{found:?}");
}

proptest! {
    /// Shuffling the images (rows, labels, indices together) changes nothing but the order: joins are on the index.
    #[test]
    fn images_can_be_renumbered(seed in 0u64..1000) {
        let (n, dim) = (15usize, 4usize);
        let (bank, codes, images) = example(seed, n, 5, dim);
        let mut rng = Rng::new(seed);
        let labels: Vec<u32> = (0..2 * n).map(|_| rng.below(4) as u32).collect();
        let mut order: Vec<u32> = (0..n as u32).collect();
        rng.shuffle(&mut order);
        // Image `order[new]` becomes image `new`.
        let rows = order.iter().flat_map(|&old| bank.row(old).to_vec()).collect();
        let renumbered = MemoryBank::from_rows(rows, dim);
        let new_labels = (0..2).flat_map(|h| order.iter().map(|&old| labels[h * n + old as usize]).collect::<Vec<_>>());
        let new_labels = Clusterings::new(new_labels.collect(), n);
        let new_index = |old: u32| order.iter().position(|&o| o == old).expect("a permutation") as u32;
        let new_images: Vec<u32> = images.iter().map(|&i| new_index(i)).collect();
        let codes = UnitCodes::new(&codes, dim);
        let loss = |bank: &MemoryBank, images: &[u32], labels: &Clusterings| {
            let sets = NeighborSets::intersect(images, background(&codes, bank, 7), labels);
            local_aggregation(&codes, bank, &sets, 0.2, 1e-7).code_loss
        };
        let a = loss(&bank, &images, &Clusterings::new(labels, n));
        let b = loss(&renumbered, &new_images, &new_labels);
        prop_assert!((a.loss - b.loss).abs() <= 1e-4);
        prop_assert!(distance(&a.gradient, &b.gradient) <= 1e-3);
    }
}
