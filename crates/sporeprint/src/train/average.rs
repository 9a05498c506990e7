//! A moving average of weights over the steps of a training, which is often better than the last ones.

use burn::module::Module;

use crate::encoder::{NamedTensor, export, import};

/// `average <- d average + (1 - d) weights` after each step, with `d = min(decay, (1 + t) / (10 + t))` at step `t`, so
/// that the random start is forgotten. Running statistics are averaged like weights.
///
/// # Reference
/// Polyak and Juditsky 1992; the start as in TensorFlow's `ExponentialMovingAverage`.
#[derive(Clone, Debug, PartialEq)]
pub struct WeightAverage {
    decay: f64,
    steps: u64,
    tensors: Vec<NamedTensor>,
}

impl WeightAverage {
    /// An average of nothing but the module's present weights.
    pub fn new(module: &impl Module, decay: f64) -> Self {
        Self { decay, steps: 0, tensors: export(module) }
    }

    /// Takes the weights after one more step into the average.
    ///
    /// # Panics
    /// - if the module has other tensors than at the start
    pub fn update(&mut self, module: &impl Module) {
        let warm = (1 + self.steps) as f64 / (10 + self.steps) as f64;
        let share = (1.0 - self.decay.min(warm)) as f32;
        let now = export(module);
        assert_eq!(now.len(), self.tensors.len(), "an average is of one module");
        for (average, now) in self.tensors.iter_mut().zip(now) {
            average.data.iter_mut().zip(&now.data).for_each(|(a, n)| *a += share * (n - *a));
        }
        self.steps += 1;
    }

    /// The module with the averaged weights in place of its own.
    ///
    /// # Panics
    /// - if the module has other tensors than at the start
    #[must_use]
    pub fn applied<M: Module>(&self, module: M) -> M {
        import(module, &self.tensors).expect("an average has the tensors of its module")
    }

    /// Steps taken, and the averaged tensors, for a checkpoint.
    pub fn state(&self) -> (u64, &[NamedTensor]) {
        (self.steps, &self.tensors)
    }

    /// The average with the same decay as it was when [`state`](Self::state) was taken.
    #[must_use]
    pub fn resumed(self, steps: u64, tensors: Vec<NamedTensor>) -> Self {
        Self { steps, tensors, ..self }
    }

    /// The average as it was when [`state`](Self::state) was taken.
    pub fn from_state(decay: f64, steps: u64, tensors: Vec<NamedTensor>) -> Self {
        Self { decay, steps, tensors }
    }
}

#[cfg(test)]
mod tests {
    use burn::module::Param;
    use burn::tensor::{Device, Tensor};

    use super::WeightAverage;
    use crate::encoder::export;

    fn weights(value: f32) -> Param<Tensor<1>> {
        Param::from_tensor(Tensor::from_floats([value], &Device::flex()))
    }

    #[test]
    fn the_start_is_forgotten_and_the_rest_decays() {
        let mut average = WeightAverage::new(&weights(100.0), 0.5);
        // d is 1/10, 2/11, 3/12, ..: at 9/18 the decay of 0.5 is reached.
        let mut expected = 100.0;
        for step in 0..20 {
            average.update(&weights(step as f32));
            let d = f64::min(0.5, (1.0 + step as f64) / (10.0 + step as f64));
            expected = d * expected + (1.0 - d) * step as f64;
        }
        let found = f64::from(export(&average.applied(weights(0.0)))[0].data[0]);
        assert!((found - expected).abs() <= 1e-4, "{found}, expected {expected}");
    }

    #[test]
    fn state_goes_on_with_the_same_bytes() {
        let mut average = WeightAverage::new(&weights(1.0), 0.9);
        average.update(&weights(2.0));
        let (steps, tensors) = average.state();
        let mut restored = WeightAverage::from_state(0.9, steps, tensors.to_vec());
        average.update(&weights(3.0));
        restored.update(&weights(3.0));
        assert_eq!(restored, average);
    }
}
