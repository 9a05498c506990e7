//! The numbers of a whole network in training.

use std::collections::BTreeMap;

use burn::module::{ModuleVisitor, Param};
use burn::tensor::{Device, Gradients, Tensor, TensorData};
use sporeprint::encoder::{NamedTensor, Weights, read_tensors, save_tensors};

use crate::{TOLERANCE, check, distance, floats, norm, reference};

/// The golden numbers of one network, read for one device.
pub struct Golden {
    tensors: BTreeMap<String, NamedTensor>,
    device: Device,
}

impl Golden {
    /// Reads a file of `reference/`.
    pub fn read(name: &str, device: &Device) -> Self {
        let tensors = read_tensors(&reference(name)).unwrap_or_else(|error| panic!("{error}"));
        let tensors = tensors.into_iter().map(|tensor| (tensor.name.clone(), tensor)).collect();
        Self { tensors, device: device.clone() }
    }

    fn get(&self, name: &str) -> &[f32] {
        &self.tensors.get(name).unwrap_or_else(|| panic!("{name} is not among the golden numbers")).data
    }

    /// One tensor, on the device.
    pub fn tensor<const D: usize>(&self, name: &str) -> Tensor<D> {
        let NamedTensor { shape, data, .. } = &self.tensors[name];
        Tensor::from_data(TensorData::new(data.clone(), shape.clone()), &self.device)
    }

    /// The network with the golden initial values, by way of a weight file.
    pub fn start<W: Weights>(&self, network: W) -> W {
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
        network
    }

    /// Holds values to the tensor of this name.
    pub fn check(&self, name: &str, found: &[f32]) {
        check(name, found, self.get(name));
    }

    /// Holds the network's tensors (those that `keep` takes) to `STAGE.NAME`; none of that stage may be left over.
    pub fn check_state<W: Weights>(&self, stage: &str, network: &W, keep: impl Fn(&str) -> bool) {
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
    pub fn check_gradients<W: Weights>(&self, network: &W, gradients: &Gradients) {
        let mut found = GradientsInOrder { gradients, values: Vec::new() };
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
    values: Vec<Option<Vec<f32>>>,
}

impl ModuleVisitor for GradientsInOrder<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.values.push(param.grad(self.gradients).map(floats));
    }
}
