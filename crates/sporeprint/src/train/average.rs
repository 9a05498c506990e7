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
            assert_eq!(average.name, now.name, "an average is of one module");
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

    /// The average as it was when [`state`](Self::state) was taken. The tensors may come in any order: a file keeps none.
    ///
    /// # Errors
    /// - one of the tensors is missing or has another shape
    pub fn resumed(self, steps: u64, mut tensors: Vec<NamedTensor>) -> Result<Self, String> {
        let find = |own: NamedTensor| {
            let at = tensors.iter().position(|t| t.name == own.name && t.shape == own.shape);
            at.map(|at| tensors.swap_remove(at)).ok_or_else(|| format!("the average of {} does not fit", own.name))
        };
        let tensors = self.tensors.into_iter().map(find).collect::<Result<_, _>>()?;
        Ok(Self { steps, tensors, ..self })
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
    fn state_goes_on_with_the_same_bytes_in_whatever_order_it_was_kept() {
        let start = (weights(1.0), weights(5.0));
        let mut average = WeightAverage::new(&start, 0.9);
        average.update(&(weights(2.0), weights(7.0)));
        let (steps, tensors) = average.state();
        let reversed = tensors.iter().rev().cloned().collect();
        let mut restored = WeightAverage::new(&start, 0.9).resumed(steps, reversed).expect("the same module");
        average.update(&(weights(3.0), weights(9.0)));
        restored.update(&(weights(3.0), weights(9.0)));
        assert_eq!(restored, average);
        assert!(WeightAverage::new(&start, 0.9).resumed(steps, Vec::new()).is_err());
    }
}
