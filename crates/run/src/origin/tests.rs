use super::*;
use crate::config::{FrozenConfig, NormStatistics};

/// What a network's run has by what happened to it: whether it knew photographs, whether batch norm has the folder's
/// statistics, whether it was trained; then its kinds of codes, those that are chosen among, and why. `head?` is there where the
/// network has one, `fused?` where it is asked for. A network that knew nothing keeps the statistics that it has.
const TABLE: [(&str, bool, bool, &str, &str, Why); 6] = [
    ("seed", false, false, "backbone fused", "fused", Why::NoKnowledge),
    ("seed", false, true, "backbone head? fused", "fused", Why::NoKnowledge),
    ("photographs", false, false, "backbone fused?", "backbone", Why::Alone),
    (
        "photographs",
        false,
        true,
        "untouched backbone ensemble head? fused",
        "untouched backbone ensemble",
        Why::Figures,
    ),
    ("photographs", true, false, "untouched backbone fused?", "backbone", Why::Adapted),
    (
        "photographs",
        true,
        true,
        "untouched adapted backbone ensemble head? fused",
        "untouched adapted backbone ensemble",
        Why::Figures,
    ),
];

fn origins() -> Vec<Origin> {
    let mut all = Vec::new();
    for start in [Start::Seed, Start::BuiltIn, Start::File] {
        for norm in [Norm::Kept, Norm::Adapted { shift: 0.3 }] {
            if start == Start::Seed && norm != Norm::Kept {
                continue;
            }
            for auto_encoder in [false, true] {
                for training in [Training::None, Training::LeftOut { why: "few".to_owned() }, Training::Done] {
                    all.push(Origin { start, auto_encoder, norm, training });
                }
            }
        }
    }
    all
}

fn configs() -> Vec<RunConfig> {
    let mut all = Vec::new();
    for codes in std::iter::once(None).chain(CodeKind::ALL.map(Some)) {
        for head_dim in [None, Some(128)] {
            for frozen in [None, FrozenConfig::by_name("pixels")] {
                let mut config = RunConfig { frozen, ..RunConfig::default() };
                (config.encoder.head_dim, config.aggregate.codes) = (head_dim, codes);
                all.push(config);
            }
        }
    }
    all
}

fn names(kinds: &[CodeKind]) -> Vec<&'static str> {
    kinds.iter().map(|kind| kind.name()).collect()
}

#[test]
fn the_codes_of_a_run_follow_from_what_happened_to_its_encoder() {
    let mut n_cases = 0;
    for origin in origins() {
        for config in configs() {
            let case = format!("{origin:?}, {:?}, head {:?}", config.aggregate.codes, config.encoder.head_dim);
            let (has, judged, why) = if config.frozen.is_some() {
                (vec!["backbone"], vec!["backbone"], Why::Alone)
            } else {
                let (is_adapted, is_trained) = (origin.norm != Norm::Kept, origin.training == Training::Done);
                let start = if origin.start == Start::Seed { "seed" } else { "photographs" };
                let row = TABLE.iter().find(|row| (row.0, row.1, row.2) == (start, is_adapted, is_trained));
                let (_, _, _, has, judged, why) = row.expect("a row for every origin");
                let words = has.split(' ').filter_map(|word| match word {
                    "head?" => config.encoder.head_dim.map(|_| "head"),
                    "fused?" => (config.aggregate.codes == Some(CodeKind::Fused)).then_some("fused"),
                    word => Some(word),
                });
                (words.collect(), judged.split(' ').collect(), *why)
            };
            assert_eq!(names(&CodeKind::available(&origin, &config)), has, "{case}");
            let found = CodeKind::eligible(&origin, &config).map(|(kinds, why)| (names(&kinds), why));
            let expected = match config.aggregate.codes {
                None => Some((judged, why)),
                Some(kind) => has.contains(&kind.name()).then(|| (vec![kind.name()], Why::Asked)),
            };
            assert_eq!(found, expected, "{case}");
            n_cases += 1;
        }
    }
    // Five pairs of start and statistics, with and without auto-encoder, three trainings; codes, head, frozen.
    assert_eq!(n_cases, 5 * 2 * 3 * 7 * 2 * 2);
}

#[test]
fn what_is_expected_of_settings_is_what_they_ask_for() {
    let expected = |change: &dyn Fn(&mut RunConfig)| {
        let mut config = RunConfig::default();
        change(&mut config);
        Origin::expected(&config)
    };
    assert!(expected(&|_| {}).is_as_it_began());
    let plain = expected(&|config| config.aggregate.epochs = 5);
    assert_eq!((plain.start, plain.norm, &plain.training), (Start::BuiltIn, Norm::Kept, &Training::Done));
    assert!(expected(&|config| config.aggregate.norm = NormStatistics::Adapted).is_adapted());
    let from_seed = Origin::expected(&RunConfig::from_scratch().as_published(crate::config::Architecture::Vgg16Bn));
    assert!(from_seed.auto_encoder && !from_seed.knows_photographs());
    assert!(expected(&|config| config.frozen = FrozenConfig::by_name("pixels")).is_as_it_began());
}

#[test]
fn an_origin_comes_back_from_the_file_as_it_was() {
    for origin in origins() {
        let text = serde_json::to_string(&origin).expect("serialises");
        assert_eq!(serde_json::from_str::<Origin>(&text).expect("reads back"), origin);
    }
}
