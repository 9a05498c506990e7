//! Where a run's encoder came from and what happened to it, and which codes it has therefore.

use serde::{Deserialize, Serialize};

use crate::config::{CodeKind, RunConfig, WeightsSource};

/// What became of a run's encoder, written by the stages as it happens; `stages.json` keeps it. Which files lie in the
/// directory says nothing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Origin {
    /// Where its first weights came from.
    pub start: Start,
    /// Whether it was then trained as half of an auto-encoder.
    pub auto_encoder: bool,
    /// Whose statistics batch norm had when the training over the memory bank was to begin.
    pub norm: Norm,
    /// That training.
    pub training: Training,
}

/// Where an encoder's first weights came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Start {
    /// Drawn from the run's seed: it knows nothing.
    Seed,
    /// The encoder that comes with the program.
    BuiltIn,
    /// A file of weights.
    File,
}

/// Whose statistics batch norm has.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "statistics")]
pub enum Norm {
    /// Those that came with the weights.
    Kept,
    /// The folder's.
    Adapted {
        /// How much more edges and grain vary in the folder than in the photographs that the weights were learnt from: the
        /// logarithm of the factor.
        shift: f64,
    },
}

/// What happened over the memory bank.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "was")]
pub enum Training {
    /// Nothing, or nothing yet: the settings ask for none, the encoder is never trained, or the stage is not done.
    None,
    /// Left out, for it would have done harm.
    LeftOut {
        /// The reason, in words for people.
        why: String,
    },
    /// Done to its end.
    Done,
}

impl From<&WeightsSource> for Start {
    fn from(weights: &WeightsSource) -> Self {
        match weights {
            WeightsSource::None => Self::Seed,
            WeightsSource::BuiltIn => Self::BuiltIn,
            WeightsSource::File(_) => Self::File,
        }
    }
}

impl Origin {
    /// The origin of an encoder to which nothing has happened yet.
    pub fn of(weights: &WeightsSource) -> Self {
        Self { start: weights.into(), auto_encoder: false, norm: Norm::Kept, training: Training::None }
    }

    /// The origin that a run with these settings has in the end, where no figure speaks against its training and batch norm's
    /// statistics stay unless the settings say otherwise.
    pub fn expected(config: &RunConfig) -> Self {
        let begun = Self::of(&config.weights);
        if config.frozen.is_some() {
            return begun;
        }
        let adapts = config.aggregate.norm == crate::config::NormStatistics::Adapted && begun.knows_photographs();
        Self {
            auto_encoder: config.has_auto_encoder(),
            norm: if adapts { Norm::Adapted { shift: 0.0 } } else { Norm::Kept },
            training: if config.aggregate.epochs > 0 { Training::Done } else { Training::None },
            ..begun
        }
    }

    /// Whether the encoder knew photographs before it met the folder.
    pub fn knows_photographs(&self) -> bool {
        self.start != Start::Seed
    }

    /// Whether the encoder was trained over the memory bank.
    pub fn is_trained(&self) -> bool {
        self.training == Training::Done
    }

    /// Whether its batch norms have the folder's statistics.
    pub fn is_adapted(&self) -> bool {
        matches!(self.norm, Norm::Adapted { .. })
    }

    /// Whether it is what it was before it met the folder.
    pub fn is_as_it_began(&self) -> bool {
        !(self.auto_encoder || self.is_adapted() || self.is_trained())
    }

    /// The kind of codes that the training over the memory bank began with; nothing where the network knew nothing then.
    pub fn before_training(&self) -> Option<CodeKind> {
        let kind = if self.is_adapted() { CodeKind::Adapted } else { CodeKind::Untouched };
        self.knows_photographs().then_some(kind)
    }
}

impl RunConfig {
    /// Whether these settings train an auto-encoder first. Only networks with pooling indices have a decoder.
    pub fn has_auto_encoder(&self) -> bool {
        self.frozen.is_none() && self.pretrain.epochs > 0 && self.encoder.architecture.has_decoder()
    }
}

/// Why the program chooses among certain kinds of codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// The settings name the kind.
    Asked,
    /// Batch norm's statistics were taken from the folder, and nothing was trained after.
    Adapted,
    /// The network began without knowledge: edges, colours and patches stand beside what it learnt.
    NoKnowledge,
    /// Figures decide among codes before and after training.
    Figures,
    /// There is nothing to choose from.
    Alone,
}

impl CodeKind {
    /// The kinds of codes that a run has, in the order in which they are compared: where nothing happened to the encoder they
    /// would all be the backbone's.
    pub fn available(origin: &Origin, config: &RunConfig) -> Vec<Self> {
        let has = |kind: Self| match kind {
            Self::Backbone => true,
            _ if config.frozen.is_some() => false,
            Self::Untouched => origin.knows_photographs() && (origin.is_trained() || origin.is_adapted()),
            Self::Adapted => origin.is_adapted() && origin.is_trained(),
            // Without knowledge there is nothing to stand beside what was learnt.
            Self::Ensemble => origin.knows_photographs() && origin.is_trained(),
            Self::Head => origin.is_trained() && config.encoder.head_dim.is_some(),
            // Codes that know photographs are taken as they are, unless others are asked for.
            Self::Fused => {
                origin.is_trained() || !origin.knows_photographs() || config.aggregate.codes == Some(Self::Fused)
            }
        };
        Self::ALL.into_iter().filter(|&kind| has(kind)).collect()
    }

    /// The kinds among which figures decide, the safe one first, and why these; nothing where the settings ask for a kind that the
    /// run has not.
    ///
    /// Heads are only reported: their codes were worse than the backbone's in every trial. So are fused codes where the network
    /// knew photographs before; from the seed and on a folder, edges, colours and patches know more than it learns in an hour.
    pub fn eligible(origin: &Origin, config: &RunConfig) -> Option<(Vec<Self>, Why)> {
        let available = Self::available(origin, config);
        let has = |kind: &Self| available.contains(kind);
        Some(if let Some(kind) = config.aggregate.codes {
            (vec![available.iter().copied().find(|&other| other == kind)?], Why::Asked)
        } else if config.frozen.is_some() {
            (vec![Self::Backbone], Why::Alone)
        } else if origin.is_adapted() && !origin.is_trained() {
            (vec![Self::Backbone], Why::Adapted)
        } else if has(&Self::Untouched) {
            let judged = [Self::Untouched, Self::Adapted, Self::Backbone, Self::Ensemble];
            (judged.into_iter().filter(has).collect(), Why::Figures)
        } else if !origin.knows_photographs() {
            (vec![Self::Fused], Why::NoKnowledge)
        } else {
            (vec![Self::Backbone], Why::Alone)
        })
    }
}

#[cfg(test)]
mod tests;
