//! The numbers of a whole network in training.

use std::collections::BTreeMap;

use burn::module::{ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{DType, Gradients, Tensor};
use sporeprint::encoder::{NamedTensor, Weights, read_tensors, save_tensors};

use crate::{TOLERANCE, check, distance, floats, norm, reference, tensor};

/// The golden numbers of one network, for numbers of one type.
pub(crate) struct Golden {
    tensors: BTreeMap<String, NamedTensor>,
    pub(crate) numbers: DType,
}

impl Golden {
    /// Reads a file of `reference/`.
    pub(crate) fn read(name: &str, numbers: DType) -> Self {
        let tensors = read_tensors(&reference(name)).unwrap_or_else(|error| panic!("{error}"));
        let tensors = tensors.into_iter().map(|tensor| (tensor.name.clone(), tensor)).collect();
        Self { tensors, numbers }
    }

    fn get(&self, name: &str) -> &[f32] {
        &self.tensors.get(name).unwrap_or_else(|| panic!("{name} is not among the golden numbers")).data
    }

    /// One tensor.
    pub(crate) fn tensor<const D: usize>(&self, name: &str) -> Tensor<D> {
        let NamedTensor { shape, data, .. } = &self.tensors[name];
        tensor(data, shape, self.numbers)
    }

    /// The network with the golden initial values, by way of a weight file.
    pub(crate) fn start<W: Weights>(&self, network: W) -> W {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = directory.path().join("before.safetensors");
        let before: Vec<NamedTensor> = self
            .tensors
            .values()
            .filter_map(|tensor| {
                let name = tensor.name.strip_prefix("before.")?.to_owned();
                Some(NamedTensor { name, ..tensor.clone() })
            })
            .collect();
        save_tensors(&path, &before).expect("a writable directory");
        let (network, report) = network.with_weights(&path).unwrap_or_else(|error| panic!("{error}"));
        assert!(report.ignored.is_empty() && report.fresh.is_empty(), "{report:?}");
        network.map(&mut Cast(self.numbers))
    }

    /// Holds values to the tensor of this name.
    pub(crate) fn check(&self, name: &str, found: &[f32]) {
        check(name, found, self.get(name));
    }

    /// Holds the network's tensors (those that `keep` takes) to `STAGE.NAME`; none of that stage may be left over.
    pub(crate) fn check_state<W: Weights>(&self, stage: &str, network: &W, keep: impl Fn(&str) -> bool) {
        let mut checked = 0;
        for tensor in network.named_tensors().iter().filter(|tensor| keep(&tensor.name)) {
            self.check(&format!("{stage}.{}", tensor.name), &tensor.data);
            checked += 1;
        }
        let prefix = format!("{stage}.");
        assert_eq!(
            checked,
            self.tensors.keys().filter(|name| name.starts_with(&prefix)).count(),
            "every {stage} tensor"
        );
    }

    /// Holds the gradient of every parameter to `gradient.NAME`.
    pub(crate) fn check_gradients<W: Weights>(&self, network: &W, gradients: &Gradients) {
        let mut found = GradientsInOrder { gradients, numbers: self.numbers, values: Vec::new() };
        network.visit(&mut found);
        let mut checked = 0;
        for (tensor, values) in network.named_tensors().iter().zip(found.values) {
            let Some(values) = values else {
                assert!(tensor.name.contains("running_"), "{} has no gradient", tensor.name);
                continue;
            };
            let name = format!("gradient.{}", tensor.name);
            let expected = self.get(&name);
            if norm(expected) > 1e-9 {
                check(&name, &values, expected);
            } else {
                // Batch norm takes the mean out again, so that the bias before it has no influence. What rounding
                // leaves is measured against the gradient of the same layer's weight.
                let scale = norm(self.get(&name.replace("bias", "weight")));
                let distance = distance(&values, expected, scale);
                assert!(distance <= TOLERANCE, "{name}: {distance:.2e} of its weight's gradient, expected 0");
            }
            checked += 1;
        }
        assert_eq!(checked, self.tensors.keys().filter(|name| name.starts_with("gradient.")).count());
    }
}

struct GradientsInOrder<'a> {
    gradients: &'a Gradients,
    numbers: DType,
    values: Vec<Option<Vec<f32>>>,
}

impl ModuleVisitor for GradientsInOrder<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.values.push(param.grad(self.gradients).map(|gradient| floats(gradient, self.numbers)));
    }
}

/// Makes every parameter one of this type, as new as if it had been that from the start.
struct Cast(DType);

impl ModuleMapper for Cast {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        param.map(|old| {
            let requires_grad = old.is_require_grad();
            old.cast(self.0).detach().set_require_grad(requires_grad)
        })
    }
}
