//! Stochastic gradient descent as PyTorch does it.

use std::collections::BTreeMap;
use std::ops::{Deref, DerefMut};

use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::{Device, Gradients, Tensor, TensorData};
use sporeprint_kernels::sgd_step;

use crate::config::SgdConfig;
use crate::encoder::{NamedTensor, Path};

/// The optimiser with one momentum buffer for each parameter that it has moved.
///
/// `g += weight_decay * p; buffer = g at first, then momentum * buffer + g; p -= lr * buffer`
///
/// No dampening (Burn's own has 0.1). Batch norm's weight and bias do not decay, biases of convolutions do, as in
/// PyTorch. A parameter without a gradient stays as it is: that is how a frozen part is left alone.
#[derive(Clone, Debug)]
pub struct Sgd {
    config: SgdConfig,
    buffers: BTreeMap<String, Buffer>,
}

#[derive(Clone, Debug)]
struct Buffer {
    shape: Vec<usize>,
    /// Flat, since parameters differ in rank.
    values: Tensor<1>,
}

impl Sgd {
    /// An optimiser that has not moved yet.
    pub fn new(config: SgdConfig) -> Self {
        Self { config, buffers: BTreeMap::new() }
    }

    /// One step down the gradients, which are used up.
    ///
    /// Parameters are known by their path in the module, so each call takes the same module.
    #[must_use]
    pub fn step<M: Module>(&mut self, module: M, gradients: &mut Gradients, lr: f64) -> M {
        module.map(&mut Step { path: Path::default(), sgd: self, gradients, lr })
    }

    /// As [`step`](Self::step), moving the parameters where they lie in memory.
    pub fn step_in_place<M: Module>(&mut self, module: &mut InTraining<M>, gradients: &mut Gradients, lr: f64) {
        module.0 = module.0.take().map(|module| self.step(module, gradients, lr));
    }

    /// The momentum buffers by the path of their parameter, for a checkpoint.
    pub fn state(&self) -> Vec<NamedTensor> {
        self.buffers
            .iter()
            .map(|(name, buffer)| NamedTensor {
                name: name.clone(),
                shape: buffer.shape.clone(),
                data: crate::encoder::values(buffer.values.clone()),
            })
            .collect()
    }

    /// The optimiser as it was when [`state`](Self::state) was taken, its buffers on `device`.
    pub fn from_state(config: SgdConfig, state: &[NamedTensor], device: &Device) -> Self {
        let device = device.clone().without_autodiff();
        let buffers = state
            .iter()
            .map(|tensor| {
                let data = TensorData::new(tensor.data.clone(), [tensor.data.len()]);
                let buffer = Buffer { shape: tensor.shape.clone(), values: Tensor::from_data(data, &device) };
                (tensor.name.clone(), buffer)
            })
            .collect();
        Self { config, buffers }
    }
}

/// A module whose tensors nobody else holds between two steps, so that a step need not copy them: a clone of it
/// would share them, and so would a reference that is kept.
#[derive(Debug)]
pub struct InTraining<M>(Option<M>);

impl<M> InTraining<M> {
    /// Takes the module over.
    pub fn new(module: M) -> Self {
        Self(Some(module))
    }

    /// Hands the module back.
    pub fn into_inner(self) -> M {
        self.0.expect(ABSENT)
    }
}

/// Only [`Sgd::step_in_place`] takes the module out, and puts it back unless it panics.
const ABSENT: &str = "a module is absent only while it is being moved";

impl<M> Deref for InTraining<M> {
    type Target = M;

    fn deref(&self) -> &M {
        self.0.as_ref().expect(ABSENT)
    }
}

impl<M> DerefMut for InTraining<M> {
    fn deref_mut(&mut self) -> &mut M {
        self.0.as_mut().expect(ABSENT)
    }
}

struct Step<'a> {
    path: Path,
    sgd: &'a mut Sgd,
    gradients: &'a mut Gradients,
    lr: f64,
}

impl ModuleMapper for Step<'_> {
    fn enter_module(&mut self, name: &str, container: &str) {
        self.path.enter(name, container);
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.exit();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let Some(gradient) = param.grad_remove(self.gradients) else { return param };
        let SgdConfig { momentum, weight_decay } = self.sgd.config;
        let weight_decay = if self.path.in_batch_norm() { 0.0 } else { weight_decay };
        let name = self.path.name();
        let shape = param.dims();
        let old = self.sgd.buffers.remove(&name).map(|buffer| buffer.values.reshape(shape));
        param.map(|values| {
            let strategy = values.gradient_checkpointing_strategy();
            let (values, buffer) = sgd_step(values.without_autodiff(), gradient, old, self.lr, momentum, weight_decay);
            // Without momentum the buffer is only the last gradient, and PyTorch keeps none either.
            if momentum != 0.0 {
                let values = buffer.flatten(0, D - 1);
                self.sgd.buffers.insert(name, Buffer { shape: shape.to_vec(), values });
            }
            let values = match strategy {
                Some(strategy) => values.autodiff().with_gradient_checkpointing_strategy(strategy),
                None => values,
            };
            values.require_grad()
        })
    }
}

#[cfg(test)]
mod tests {
    use burn::module::{Module, Param};
    use burn::tensor::{Device, Tensor};

    use super::{InTraining, Sgd};
    use crate::config::EncoderConfig;
    use crate::config::SgdConfig;
    use crate::encoder::BuildEncoder;
    use crate::encoder::{AutoEncoder, Mode, NamedTensor, export};

    const CONFIG: SgdConfig = SgdConfig { momentum: 0.9, weight_decay: 0.01 };

    fn step(sgd: &mut Sgd, param: Param<Tensor<1>>) -> Param<Tensor<1>> {
        let mut gradients = (param.val() * 2.0).sum().backward();
        sgd.step(param, &mut gradients, 0.1)
    }

    fn start() -> Param<Tensor<1>> {
        Param::from_tensor(Tensor::from_floats([1.0, -1.0], &Device::flex().autodiff()))
    }

    #[test]
    fn two_steps_by_hand() {
        let mut sgd = Sgd::new(CONFIG);
        let param = step(&mut sgd, start());
        let param = step(&mut sgd, param);
        // From 1: g = 2.01, p = .799; g = 2.00799, buffer = 3.81699. From -1: g = 1.99, p = -1.199; g = 1.98801,
        // buffer = 3.77901.
        let found = export(&param)[0].data.clone();
        for (found, expected) in found.into_iter().zip([0.417_301, -1.576_901]) {
            assert!((found - expected).abs() <= 1e-6, "{found}, expected {expected}");
        }
        assert!(param.is_require_grad());
    }

    #[test]
    fn restored_state_goes_on_with_the_same_bytes() {
        let mut sgd = Sgd::new(CONFIG);
        let param = step(&mut sgd, start());
        let mut restored = Sgd::from_state(CONFIG, &sgd.state(), &Device::flex().autodiff());
        assert_eq!(export(&step(&mut restored, param.clone())), export(&step(&mut sgd, param)));
        assert_eq!(restored.state(), sgd.state());
    }

    fn one_step(freeze: bool) -> (Vec<NamedTensor>, Vec<NamedTensor>) {
        let config = EncoderConfig { width: 0.0625, image_size: 32, ..EncoderConfig::default() };
        let device = Device::flex().autodiff();
        let network: AutoEncoder = config.init_auto_encoder(&device, 1).expect("a VGG has a decoder");
        let before = export(&network);
        let images = Tensor::ones([2, 3, 32, 32], &device);
        let drawn = if freeze {
            network.forward_frozen_encoder(images, Mode::Train)
        } else {
            network.forward(images, Mode::Train)
        };
        // A loss without influence: what moves is moved by decay alone.
        let mut gradients = (drawn.images * 0.0).sum().backward();
        (before, export(&Sgd::new(CONFIG).step(network, &mut gradients, 0.1)))
    }

    #[test]
    fn a_step_in_place_is_the_same_step() {
        let gradients = |param: &Param<Tensor<1>>| (param.val() * 2.0).sum().backward();
        let (mut sgd, mut other) = (Sgd::new(CONFIG), Sgd::new(CONFIG));
        let (mut param, mut moved) = (start(), InTraining::new(start()));
        for _ in 0..3 {
            let mut found = gradients(&param);
            param = sgd.step(param, &mut found, 0.1);
            let mut found = gradients(&moved);
            other.step_in_place(&mut moved, &mut found, 0.1);
        }
        assert_eq!(export(&moved.into_inner()), export(&param));
    }

    fn moved((before, after): (Vec<NamedTensor>, Vec<NamedTensor>)) -> Vec<String> {
        before.into_iter().zip(after).filter(|(old, new)| old != new).map(|(old, _)| old.name).collect()
    }

    #[test]
    fn batch_norm_does_not_decay_and_convolutions_do() {
        let moved = moved(one_step(false));
        // Thirteen weights here; in the decoder thirteen weights and biases. The encoder's biases start at 0.
        assert_eq!(moved.len(), 13 + 26, "{moved:?}");
        assert!(moved.iter().all(|name| name.contains(".conv.")), "{moved:?}");
    }

    #[test]
    fn a_frozen_encoder_does_not_even_decay() {
        let moved = moved(one_step(true));
        assert!(!moved.is_empty() && moved.iter().all(|name| name.starts_with("decoder.")), "{moved:?}");
    }

    #[test]
    fn a_parameter_that_requires_no_gradient_stays() {
        let mut sgd = Sgd::new(CONFIG);
        let (frozen, free) = (start().no_grad(), start());
        let mut gradients = (frozen.val() * free.val()).sum().backward();
        let after = sgd.step((frozen, free), &mut gradients, 0.1);
        assert_eq!(export(&after.0), export(&start()));
        assert_ne!(export(&after.1), export(&start()));
    }
}
