//! The recipe: what the stage over the memory bank does by default, from scratch and from weights that know photographs.
//!
//! Chosen by trials on two of the labelled sets; `benches/RESULTS.md` has every step of it.

use super::{
    AggregateConfig, Architecture, BankStart, Decay, EncoderConfig, HeadStart, NormStatistics, Objective,
    PretrainConfig, Refresh, RunConfig, SgdSettings, Variant, WeightsSource,
};

/// Temperature of the instance objective: at the paper's 0.07 every image is pushed from its look-alikes.
const INSTANCE_TEMPERATURE: f32 = 0.5;
/// Temperature of Local Aggregation on folders of thousands instead of a million.
const AGGREGATION_TEMPERATURE: f32 = 0.2;
/// Background neighbours that are few enough for any folder and many enough to push from.
const BACKGROUND: std::ops::RangeInclusive<usize> = 64..=4096;

impl AggregateConfig {
    /// From weights drawn from the seed: instance recognition with feature decorrelation, then a little Local Aggregation. Length
    /// pays: on 2000 images a third of these epochs ended 8 points of NMI lower.
    pub fn from_scratch() -> Self {
        Self {
            epochs: 120,
            warmup_epochs: 96,
            batch_size: 32,
            sgd: SgdSettings {
                learning_rate: 0.05,
                momentum: 0.9,
                weight_decay: 5e-4,
                warm_up: 1.0,
                decay: Decay::Cosine,
            },
            decorrelation: 1.0,
            norm: NormStatistics::Batch,
            ..Self::fine_tuning()
        }
    }

    /// From weights that know photographs: Local Aggregation alone, briefly and at a low learning rate.
    pub fn fine_tuning() -> Self {
        Self {
            objective: Objective::LocalAggregation,
            epochs: 12,
            warmup_epochs: 0,
            batch_size: 64,
            sgd: SgdSettings {
                learning_rate: 0.01,
                momentum: 0.9,
                weight_decay: 5e-4,
                warm_up: 1.0,
                decay: Decay::Cosine,
            },
            temperature: None,
            mixing_rate: 0.5,
            background_neighbors: None,
            centroids: None,
            clusterings: 3,
            clustering_rounds: 20,
            refresh: Refresh::Epochs(1),
            variant: Variant::Authors,
            bank: BankStart::Codes,
            noise: None,
            decorrelation: 0.0,
            no_views: false,
            fewest_close: 2,
            largest_close: 0.3,
            guard: true,
            codes: None,
            head: HeadStart::Principal,
            norm: NormStatistics::Choose,
            average: 1.0,
            half_size: 0.0,
            small_crops: 0,
        }
    }

    /// Temperature of an objective.
    pub fn temperature(&self, objective: Objective) -> f32 {
        self.temperature.unwrap_or(match objective {
            Objective::Instance => INSTANCE_TEMPERATURE,
            Objective::LocalAggregation | Objective::ClusterHardness => AGGREGATION_TEMPERATURE,
        })
    }

    /// Background neighbours for a folder of `n_images`: a quarter, 64 to 4096, unless given.
    pub fn background_neighbors(&self, n_images: usize) -> usize {
        let extra = usize::from(self.variant == Variant::Article);
        let usual = (n_images / 4).clamp(*BACKGROUND.start(), *BACKGROUND.end());
        (self.background_neighbors.unwrap_or(usual).max(1) + extra).min(n_images)
    }
}

/// Settings from the text of a `config.toml`; what it leaves out keeps the default of its start: from scratch, or from the
/// weights that it names. A file that says nothing of the network gets the built-in encoder; one that names an architecture
/// gets it as published, apart from what it says.
///
/// # Errors
/// When the text is not TOML or names a setting that does not exist.
pub fn from_toml(text: &str) -> Result<RunConfig, toml::de::Error> {
    let given: toml::Table = toml::from_str(text)?;
    overlaid(&base_of(&given), given)
}

/// The settings over which those of a file are laid; see [`from_toml`].
pub fn base_of(given: &toml::Table) -> RunConfig {
    let pretrained = given.get("weights").is_some_and(|weights| weights.as_str() != Some("none"));
    let built_in = given.get("weights").is_some_and(|weights| weights.as_str() == Some("builtin"));
    let names_network = !built_in && ["weights", "encoder", "frozen"].iter().any(|name| given.contains_key(*name));
    let mut base = if names_network { RunConfig::starting(pretrained) } else { RunConfig::built_in() };
    if given.get("encoder").is_some_and(|encoder| encoder.get("architecture").is_some()) {
        base = base.as_published(EncoderConfig::default().architecture);
    }
    base
}

/// Settings with others, a part of a `config.toml`, laid over them.
///
/// # Errors
/// When one of them does not exist or has another type.
///
/// # Panics
/// Never: settings are plain values, which TOML has words for.
pub fn overlaid(settings: &RunConfig, given: toml::Table) -> Result<RunConfig, toml::de::Error> {
    let mut settings = toml::Value::try_from(settings).expect("settings serialise");
    overlay(&mut settings, toml::Value::Table(given));
    settings.try_into()
}

/// Tables are merged; anything else that is given replaces what is there.
fn overlay(settings: &mut toml::Value, given: toml::Value) {
    match (settings, given) {
        (toml::Value::Table(settings), toml::Value::Table(given)) => {
            for (name, value) in given {
                match settings.get_mut(&name) {
                    // A table with one key may be an enum's variant, which replaces another.
                    Some(there) if there.is_table() && value.is_table() && name != "decay" && name != "refresh" => {
                        overlay(there, value);
                    }
                    _ => {
                        settings.insert(name, value);
                    }
                }
            }
        }
        (settings, given) => *settings = given,
    }
}

/// A VGG-16 of a quarter of the channels with a 128-d head: on two cores it learns in minutes what the whole one needs hours for.
pub(super) fn small_network() -> EncoderConfig {
    EncoderConfig { architecture: Architecture::Vgg16Bn, width: 0.25, head_dim: Some(128), ..EncoderConfig::default() }
}

impl RunConfig {
    /// The default settings for a start from weights that know photographs, or from the seed.
    pub fn starting(pretrained: bool) -> Self {
        let aggregate = if pretrained { AggregateConfig::fine_tuning() } else { AggregateConfig::from_scratch() };
        Self { aggregate, ..Self::default() }
    }

    /// These settings for an architecture that is asked for: built as published, a VGG with its auto-encoder first.
    #[must_use]
    pub fn as_published(self, architecture: Architecture) -> Self {
        let image_size = self.encoder.image_size;
        let encoder = EncoderConfig { architecture, image_size, ..EncoderConfig::default() };
        Self { encoder, pretrain: PretrainConfig::default(), ..self }
    }

    /// The settings of a run without any: fine-tuning of the encoder that comes with the program. Its batch norms keep their
    /// statistics: it has seen blurred views, so that even enlarged and blurred folders lose by others (`benches/RESULTS.md`).
    pub fn built_in() -> Self {
        let encoder = EncoderConfig { head_dim: small_network().head_dim, ..EncoderConfig::built_in() };
        let mut settings = Self { encoder, weights: WeightsSource::BuiltIn, code_views: 3, ..Self::starting(true) };
        settings.aggregate.norm = NormStatistics::Frozen;
        settings
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_names_weights_gets_the_recipe_for_fine_tuning() {
        let scratch = from_toml("weights = \"none\"\n[aggregate]\nbatch_size = 8\n").expect("settings");
        assert_eq!(scratch.aggregate, AggregateConfig { batch_size: 8, ..AggregateConfig::from_scratch() });
        let tuned =
            from_toml("weights = \"net.safetensors\"\n[aggregate.sgd]\nlearning_rate = 0.5\n").expect("settings");
        assert_eq!(tuned.aggregate.epochs, AggregateConfig::fine_tuning().epochs);
        assert!((tuned.aggregate.sgd.learning_rate - 0.5).abs() <= 1e-12);
        assert!((tuned.aggregate.sgd.momentum - 0.9).abs() <= 1e-12);
    }

    #[test]
    fn a_named_architecture_is_as_published_and_a_vgg_has_its_auto_encoder_first() {
        let config = from_toml("[encoder]\narchitecture = \"vgg16-bn\"\n").expect("settings");
        assert_eq!(config.encoder, EncoderConfig::default());
        assert_eq!(config.pretrain, PretrainConfig::default());
        let own = from_toml("weights = \"none\"\n").expect("settings");
        assert_eq!((own.encoder, own.pretrain.epochs), (small_network(), 0));
    }

    #[test]
    fn a_file_without_a_network_gets_the_built_in_encoder() {
        let config = from_toml("seed = 3\n").expect("settings");
        assert_eq!(config, RunConfig { seed: 3, ..RunConfig::built_in() });
        assert_eq!(from_toml("weights = \"builtin\"\n").expect("settings"), RunConfig::built_in());
        assert_eq!(from_toml(&toml::to_string(&config).expect("serialises")).expect("settings"), config);
    }

    #[test]
    fn settings_that_were_written_out_come_back_as_they_were() {
        for head_dim in [None, Some(32)] {
            let mut config = RunConfig::starting(false);
            config.encoder.head_dim = head_dim;
            assert_eq!(from_toml(&toml::to_string(&config).expect("serialises")).expect("settings"), config);
        }
    }

    #[test]
    fn unknown_settings_are_refused_and_variants_replaced() {
        assert!(from_toml("[aggregate]\nno_such = 1\n").is_err());
        let step = from_toml("[aggregate.sgd]\ndecay = { step = { every = 2.0, factor = 0.1 } }\n").expect("settings");
        assert_eq!(step.aggregate.sgd.decay, Decay::Step { every: 2.0, factor: 0.1 });
    }
}
