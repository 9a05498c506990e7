//! One step and one epoch of the stage, and what a checkpoint of it holds.

use std::time::Instant;

use burn::tensor::{Tensor, TensorData};

use super::crops::crops;
use super::{Aggregation, Clock, Hardness};
use crate::bank::MemoryBank;
use crate::config::{NormStatistics, Objective};
use crate::encoder::{Encoded, MOMENTUM, Mode, NamedTensor, export, import};
use crate::loss::{ClusterHardness, CodeLoss, Target, UnitCodes};
use crate::neighbors::Clusterings;
use crate::run::tables::LogLine;
use crate::train::checkpoint::Checkpoint;
use crate::train::epochs::{Learner, Position, TrainError};
use crate::train::monitor::{ControlSums, Controls, Trouble};
use crate::train::sgd::{InTraining, Sgd};

impl Learner for Aggregation<'_> {
    fn begin_epoch(&mut self, _epoch: usize) -> Result<(), TrainError> {
        self.state.sums = ControlSums::default();
        Ok(())
    }

    fn step(&mut self, images: &[u32], at: Position, learning_rate: f64) -> Result<f64, TrainError> {
        self.refresh(at)?;
        let started = Instant::now();
        let crops = crops(&self.setup, self.encoder.config(), at.epoch);
        let pixels: Vec<Tensor<4>> = crops.iter().map(|crop| self.pixels(crop, images, at.epoch)).collect();
        self.clock.views += started.elapsed();
        let mode = match self.setup.config.norm {
            NormStatistics::Batch => Mode::Train,
            NormStatistics::Frozen | NormStatistics::Adapted | NormStatistics::Choose => Mode::Evaluate,
        };
        let encoded: Vec<Encoded> = pixels.into_iter().map(|p| self.encoder.forward(p, mode)).collect();
        let dim = self.encoder.dim();
        let codes: Vec<Vec<f32>> = (encoded.iter())
            .map(|encoded| (encoded.codes.clone().inner().into_data().try_into_vec()).expect("codes are f32"))
            .collect();
        let not_finite = || TrainError::NotFinite { images: images.to_vec(), at };
        if !codes.iter().flatten().all(|x| x.is_finite()) {
            return Err(not_finite());
        }
        let losses = match self.objective(at.epoch) {
            Objective::ClusterHardness => {
                codes.iter().take(1).map(|codes| self.hardness(codes, images, learning_rate)).collect()
            }
            _ => {
                let unit: Vec<UnitCodes> = codes.iter().map(|codes| UnitCodes::new(codes, dim)).collect();
                self.over_the_bank(&unit, images, at)?
            }
        };
        if !losses.iter().all(|l| l.loss.is_finite() && l.gradient.iter().all(|g| g.is_finite())) {
            return Err(not_finite());
        }
        let share = 1.0 / losses.len() as f32;
        let loss = losses.iter().map(|l| f64::from(l.loss * share)).sum();
        // The sum's value means nothing; its gradient on the codes is the one computed above.
        let mut sum: Option<Tensor<1>> = None;
        for (encoded, CodeLoss { gradient, .. }) in encoded.iter().zip(losses) {
            let gradient = Tensor::from_data(TensorData::new(gradient, [images.len(), dim]), &self.setup.device);
            let term = (encoded.codes.clone() * gradient.mul_scalar(share)).sum();
            sum = Some(match sum {
                Some(sum) => sum + term,
                None => term,
            });
        }
        let mut gradients = sum.expect("every batch has a full crop").backward();
        self.sgd.step_in_place(&mut self.encoder, &mut gradients, learning_rate);
        if mode == Mode::Train {
            // Half-size crops have other statistics than the images that codes are made of in the end.
            self.encoder.absorb(&encoded[0].statistics, MOMENTUM);
        }
        if let Some(average) = &mut self.average {
            average.update(&*self.encoder);
            self.state.averaged = average.state().0;
        }
        self.clock.steps += started.elapsed();
        Ok(loss)
    }

    fn end_epoch(&mut self, epoch: usize, metric: LogLine) -> (LogLine, Vec<String>) {
        let Clock { views, steps } = std::mem::take(&mut self.clock);
        let metric = metric.number("share_views", views.as_secs_f64() / steps.as_secs_f64().max(1e-9));
        if let Some(why) = &self.state.left_out {
            let first = epoch == self.setup.config.warmup_epochs;
            let words = first.then(|| format!("Local Aggregation is left out, the instance objective goes on: {why}"));
            return (metric.text("left_out", why), words.into_iter().collect());
        }
        let (Objective::LocalAggregation, Some(clusterings)) = (self.objective(epoch), &self.clusterings) else {
            return (metric, Vec::new());
        };
        let controls = Controls::new(&self.state.sums, clusterings, &self.bank);
        let mut metric = controls.figures().into_iter().fold(metric, |line, (name, figure)| line.number(name, figure));
        if let Some(sizes) = &mut self.state.proportions {
            metric = metric
                .number("centroids", sizes.centroids as f64)
                .number("background_neighbors", sizes.background as f64)
                .number("agreement", sizes.agreement);
            *sizes = sizes.adjusted(controls.overlap, self.setup.config, self.bank.n_images());
        }
        let troubles = controls.troubles();
        // The pages show the gravest of every epoch; the person at the terminal reads each kind once.
        if let Some(gravest) = troubles.first().map(|trouble| trouble.explain(&controls)) {
            metric = metric.text("warning", &gravest.finding).text("remedy", gravest.remedy);
        }
        let news: Vec<Trouble> = troubles.into_iter().filter(|trouble| !self.told.contains(trouble)).collect();
        self.told.extend(&news);
        (metric, news.iter().map(|trouble| format!("warning: {}", trouble.explain(&controls))).collect())
    }

    fn save(&self) -> Checkpoint {
        let mut checkpoint = Checkpoint::default();
        checkpoint.put_prefixed("encoder.", export(&*self.encoder));
        checkpoint.put_prefixed("momentum.", self.sgd.state());
        if let Some(average) = &self.average {
            checkpoint.put_prefixed("average.", average.state().1.to_vec());
        }
        checkpoint.tensors.push(rows("bank", self.bank.rows(), self.bank.dim()));
        if let Some(clusterings) = &self.clusterings {
            checkpoint.labels.push(("clusterings".to_owned(), clusterings.labels().to_vec()));
        }
        if let Some(Hardness { centres, momentum, target }) = &self.hardness {
            let dim = self.encoder.dim();
            checkpoint.tensors.push(rows("hardness.centres", &centres.centres, dim));
            checkpoint.tensors.push(rows("hardness.target", target.rows(), centres.n_clusters()));
            checkpoint.tensors.extend(momentum.as_ref().map(|m| rows("hardness.momentum", m, dim)));
        }
        checkpoint.set_state(&self.state);
        checkpoint
    }

    fn restore(&mut self, mut checkpoint: Checkpoint) -> Result<(), String> {
        let weights = checkpoint.take_prefixed("encoder.");
        self.encoder = InTraining::new(import(self.encoder.clone(), &weights).map_err(|e| e.to_string())?);
        let momentum = checkpoint.take_prefixed("momentum.");
        self.sgd = Sgd::from_state(self.setup.config.sgd.optimiser(), &momentum, &self.setup.device);
        let bank = checkpoint.take("bank").ok_or("found no memory bank")?;
        let expected = [self.bank.n_images(), self.bank.dim()];
        if bank.shape != expected {
            return Err(format!("the memory bank has shape {:?}, expected {expected:?}", bank.shape));
        }
        self.bank = MemoryBank::from_rows(bank.data, expected[1]);
        self.clusterings = checkpoint.labels("clusterings").map(|l| Clusterings::new(l.to_vec(), expected[0]));
        self.hardness = checkpoint.take("hardness.centres").map(|centres| {
            let n_clusters = centres.shape[0];
            let target = checkpoint.take("hardness.target").map(|t| t.data).unwrap_or_default();
            Hardness {
                centres: ClusterHardness::new(centres.data, expected[1]),
                momentum: checkpoint.take("hardness.momentum").map(|m| m.data),
                target: Target::from_rows(target, n_clusters),
            }
        });
        let average = checkpoint.take_prefixed("average.");
        self.state = checkpoint.state().map_err(|e| e.to_string())?;
        let steps = self.state.averaged;
        self.average = self.average.take().map(|before| before.resumed(steps, average)).transpose()?;
        Ok(())
    }
}

fn rows(name: &str, data: &[f32], dim: usize) -> NamedTensor {
    NamedTensor { name: name.to_owned(), shape: vec![data.len() / dim, dim], data: data.to_vec() }
}
