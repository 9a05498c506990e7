//! The layers that every network here is made of: convolution, batch norm, linear map.

use burn::module::{Module, Param, ParamId};
use burn::tensor::{Device, Tensor, TensorData};
use sporeprint_kernels::{self as kernels, Activation};

use super::init::Generator;

/// PyTorch's share of the newest batch in the running statistics.
pub const MOMENTUM: f64 = 0.1;

/// PyTorch's addition to the variance, which keeps a constant channel finite.
pub const EPSILON: f64 = 1e-5;

/// Which statistics batch norm uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Those of the batch, which the forward pass then returns for [`Encoder::absorb`](super::Encoder::absorb).
    Train,
    /// The running ones, so that each image's code is its own.
    Evaluate,
}

/// What one batch-norm layer saw in one training batch.
#[derive(Clone, Debug)]
pub struct BatchStatistics {
    /// Mean per channel, `[channels]`.
    pub mean: Tensor<1>,
    /// Unbiased variance per channel, `[channels]`: the one PyTorch keeps, though it normalises with the biased one.
    pub variance: Tensor<1>,
}

/// One forward pass: its mode, and the statistics gathered so far in the order of the layers.
#[derive(Debug)]
pub(crate) struct Pass {
    pub(crate) mode: Mode,
    pub(crate) statistics: Vec<BatchStatistics>,
}

impl Pass {
    pub(crate) fn new(mode: Mode) -> Self {
        Self { mode, statistics: Vec::new() }
    }
}

/// A convolution's weights. The caller names stride and padding: they belong to the architecture.
#[derive(Module, Debug)]
pub struct Conv {
    /// `[out, in, k, k]`, or `[in, out, 3, 3]` where it is used transposed.
    pub(crate) weight: Param<Tensor<4>>,
    /// `[out]`
    pub(crate) bias: Option<Param<Tensor<1>>>,
}

impl Conv {
    /// Normal weights of variance `2 / (k * k * n_out)`, bias 0: torchvision's choice for VGG and ResNet.
    pub(crate) fn init(shape: [usize; 4], bias: bool, generator: &mut Generator, device: &Device) -> Self {
        let [n_out, _, height, width] = shape;
        let deviation = (2.0 / (height * width * n_out) as f64).sqrt();
        Self {
            weight: trained(generator.normal(shape.iter().product(), deviation), shape, device),
            bias: bias.then(|| trained(vec![0.0; n_out], [n_out], device)),
        }
    }

    /// One filter for each channel, normal of variance `2 / (k * k)`, without a bias: what
    /// [`init`](Self::init) is for an ordinary convolution, since a filter sends its values to one channel only.
    pub(crate) fn init_depthwise(n_channels: usize, kernel: usize, generator: &mut Generator, device: &Device) -> Self {
        let deviation = (2.0 / (kernel * kernel) as f64).sqrt();
        let shape = [n_channels, 1, kernel, kernel];
        Self { weight: trained(generator.normal(shape.iter().product(), deviation), shape, device), bias: None }
    }

    /// Uniform weights and bias within `1 / sqrt(9 * n_out)`: PyTorch's choice for a transposed convolution.
    pub(crate) fn init_transposed(n_in: usize, n_out: usize, generator: &mut Generator, device: &Device) -> Self {
        let bound = 1.0 / ((9 * n_out) as f64).sqrt();
        let shape = [n_in, n_out, 3, 3];
        Self {
            weight: trained(generator.uniform(shape.iter().product(), bound), shape, device),
            bias: Some(trained(generator.uniform(n_out, bound), [n_out], device)),
        }
    }

    pub(crate) fn forward(&self, x: Tensor<4>, stride: usize, padding: usize) -> Tensor<4> {
        let bias = self.bias.as_ref().map(Param::val);
        let [_, _, height, width] = self.weight.dims();
        if [height, width, stride, padding] == [3, 3, 1, 1] {
            kernels::conv3x3(x, self.weight.val(), bias)
        } else {
            kernels::conv2d(x, self.weight.val(), bias, stride, padding)
        }
    }

    pub(crate) fn forward_transposed(&self, x: Tensor<4>) -> Tensor<4> {
        kernels::conv_transpose3x3(x, self.weight.val(), self.bias.as_ref().map(Param::val))
    }
}

/// Batch norm with PyTorch's running statistics.
///
/// `y = (x - mean) / sqrt(variance + eps) * weight + bias`
///
/// Burn's own keeps the biased running variance and takes its mode from the device; this one does neither.
#[derive(Module, Debug)]
pub struct BatchNorm {
    pub(crate) weight: Param<Tensor<1>>,
    pub(crate) bias: Param<Tensor<1>>,
    pub(crate) running_mean: Param<Tensor<1>>,
    pub(crate) running_var: Param<Tensor<1>>,
    /// Added to the variance.
    #[module(skip)]
    pub(crate) epsilon: f64,
}

impl BatchNorm {
    pub(crate) fn init(n_channels: usize, device: &Device) -> Self {
        Self::with_epsilon(n_channels, EPSILON, device)
    }

    /// With another addition to the variance than PyTorch's.
    pub(crate) fn with_epsilon(n_channels: usize, epsilon: f64, device: &Device) -> Self {
        Self {
            weight: trained(vec![1.0; n_channels], [n_channels], device),
            bias: trained(vec![0.0; n_channels], [n_channels], device),
            running_mean: kept(vec![0.0; n_channels], [n_channels], device),
            running_var: kept(vec![1.0; n_channels], [n_channels], device),
            epsilon,
        }
    }

    /// Whether a container that a visitor of modules enters is one of these.
    pub(crate) fn is_container(container: &str) -> bool {
        // The module's own name for itself is the struct's, whatever that is.
        container.strip_prefix("Struct:") == std::any::type_name::<Self>().rsplit("::").next()
    }

    /// Normalises, then applies the activation. In training it adds its statistics to the pass.
    ///
    /// # Panics
    /// - in training, if a channel has a single value: its variance does not exist (PyTorch refuses too)
    pub(crate) fn forward(&self, x: Tensor<4>, activation: Activation, pass: &mut Pass) -> Tensor<4> {
        let (weight, bias) = (self.weight.val(), self.bias.val());
        match pass.mode {
            Mode::Evaluate => {
                let (mean, variance) = (self.running_mean.val(), self.running_var.val());
                kernels::batch_norm_eval(x, weight, bias, mean, variance, self.epsilon, activation)
            }
            Mode::Train => {
                let [batch, _, height, width] = x.dims();
                let count = batch * height * width;
                assert!(count > 1, "batch norm in training needs more than one value per channel, found {count}");
                let (y, mean, variance) = kernels::batch_norm_train(x, weight, bias, self.epsilon, activation);
                let unbiased = variance.without_autodiff() * (count as f64 / (count - 1) as f64);
                pass.statistics.push(BatchStatistics { mean: mean.without_autodiff(), variance: unbiased });
                y
            }
        }
    }

    /// Weight and bias of the convolution before it that together do what it does with its running statistics.
    pub(crate) fn folded_into(&self, weight: Tensor<4>) -> (Tensor<4>, Tensor<1>) {
        let (mean, variance) = (self.running_mean.val(), self.running_var.val());
        kernels::fold_batch_norm(weight, self.weight.val(), self.bias.val(), mean, variance, self.epsilon)
    }

    /// `running = (1 - momentum) * running + momentum * batch`
    pub(crate) fn absorb(&mut self, statistics: &BatchStatistics, momentum: f64) {
        blend(&mut self.running_mean, &statistics.mean, momentum);
        blend(&mut self.running_var, &statistics.variance, momentum);
    }
}

/// `y = x weight^T + bias` with PyTorch's layout of the weight, `[out, in]`.
#[derive(Module, Debug)]
pub struct Linear {
    pub(crate) weight: Param<Tensor<2>>,
    pub(crate) bias: Param<Tensor<1>>,
}

impl Linear {
    /// Uniform within `1 / sqrt(n_in)`, PyTorch's choice.
    pub(crate) fn init(n_in: usize, n_out: usize, generator: &mut Generator, device: &Device) -> Self {
        let bound = 1.0 / (n_in as f64).sqrt();
        Self {
            weight: trained(generator.uniform(n_in * n_out, bound), [n_out, n_in], device),
            bias: trained(generator.uniform(n_out, bound), [n_out], device),
        }
    }

    /// Numbers that come out.
    pub(crate) fn n_out(&self) -> usize {
        self.weight.dims()[0]
    }

    /// As [`forward`](Self::forward), of plain rows and outside the graph.
    pub(crate) fn of_rows(&self, rows: &[f32]) -> Vec<f32> {
        let [n_out, n_in] = self.weight.dims();
        let n = rows.len() / n_in;
        let mut out = crate::encoder::values(self.bias.val()).repeat(n);
        let weight = crate::encoder::values(self.weight.val());
        let weight = kernels::Matrix::new(&weight, n_out, n_in, n_in).transposed();
        kernels::matrix_product(&mut out, n_out, kernels::Matrix::new(rows, n, n_in, n_in), weight, 1.0, true);
        out
    }

    pub(crate) fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        x.matmul(self.weight.val().transpose()) + self.bias.val().unsqueeze()
    }
}

/// A parameter that gradients change.
pub(crate) fn trained<const D: usize>(values: Vec<f32>, shape: [usize; D], device: &Device) -> Param<Tensor<D>> {
    Param::from_data(TensorData::new(values, shape), device)
}

/// A buffer: saved with the parameters, never given a gradient.
fn kept<const D: usize>(values: Vec<f32>, shape: [usize; D], device: &Device) -> Param<Tensor<D>> {
    Param::initialized(ParamId::new(), Tensor::from_data(TensorData::new(values, shape), device))
}

fn blend(running: &mut Param<Tensor<1>>, batch: &Tensor<1>, momentum: f64) {
    let old = running.val();
    let strategy = old.gradient_checkpointing_strategy();
    let new = old.without_autodiff() * (1.0 - momentum) + batch.clone().without_autodiff() * momentum;
    let new = match strategy {
        Some(strategy) => new.autodiff().with_gradient_checkpointing_strategy(strategy),
        None => new,
    };
    *running = Param::initialized(running.id, new);
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, Tensor, TensorData};
    use serde_json::Value;
    use sporeprint_kernels::Activation;

    use super::{BatchNorm, EPSILON, MOMENTUM, Mode, Pass, trained};

    fn flat(value: &Value) -> Vec<f32> {
        match value {
            Value::Array(items) => items.iter().flat_map(flat).collect(),
            other => vec![other.as_f64().expect("a number") as f32],
        }
    }

    fn check<const D: usize>(fixture: &Value, name: &str, found: Tensor<D>) {
        let found = crate::encoder::values(found);
        for (found, expected) in found.into_iter().zip(flat(&fixture[name])) {
            assert!((found - expected).abs() <= 1e-5 * expected.abs().max(1.0), "{name}: {found}, not {expected}");
        }
    }

    #[test]
    fn batch_norm_and_its_running_statistics_are_pytorchs() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../reference/fixtures/batchnorm.json");
        let fixture: Value = serde_json::from_str(&fs_err::read_to_string(path).expect("a fixture")).expect("JSON");
        assert_eq!((fixture["eps"].as_f64(), fixture["momentum"].as_f64()), (Some(EPSILON), Some(MOMENTUM)));
        let device = Device::flex().autodiff();
        let tensor = |name: &str| Tensor::<4>::from_data(TensorData::new(flat(&fixture[name]), [2, 3, 2, 2]), &device);
        let mut norm = BatchNorm::init(3, &device);
        norm.weight = trained(flat(&fixture["gamma"]), [3], &device);
        norm.bias = trained(flat(&fixture["beta"]), [3], &device);

        let x1 = tensor("x1").require_grad();
        let mut pass = Pass::new(Mode::Train);
        let y1 = norm.forward(x1.clone(), Activation::None, &mut pass);
        let gradients = (y1.clone() * tensor("upstream")).sum().backward();
        check(&fixture, "y1", y1);
        check(&fixture, "grad_x1", x1.grad(&gradients).expect("x requires it"));
        check(&fixture, "grad_gamma", norm.weight.grad(&gradients).expect("trained"));
        check(&fixture, "grad_beta", norm.bias.grad(&gradients).expect("trained"));
        norm.absorb(&pass.statistics[0], MOMENTUM);
        check(&fixture, "running_mean1", norm.running_mean.val());
        check(&fixture, "running_var1", norm.running_var.val());

        let mut pass = Pass::new(Mode::Train);
        check(&fixture, "y2", norm.forward(tensor("x2"), Activation::None, &mut pass));
        norm.absorb(&pass.statistics[0], MOMENTUM);
        check(&fixture, "running_mean2", norm.running_mean.val());
        check(&fixture, "running_var2", norm.running_var.val());
        check(&fixture, "y_eval_x1", norm.forward(tensor("x1"), Activation::None, &mut Pass::new(Mode::Evaluate)));
    }
}
