//! A module's tensors as plain named rows, and back: what a checkpoint and a weight file hold.

use std::collections::BTreeMap;

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{Tensor, TensorData};
use thiserror::Error;

use super::layers::BatchNorm;

/// One tensor by name.
#[derive(Clone, Debug, PartialEq)]
pub struct NamedTensor {
    /// Path of fields from the module, joined by dots.
    pub name: String,
    /// Extent of each axis; empty for a scalar.
    pub shape: Vec<usize>,
    /// Row-major values, as many as the shape's product.
    pub data: Vec<f32>,
}

/// Why tensors do not fit a module. All mismatches stand in one message.
#[derive(Debug, Error)]
#[error("the tensors do not fit the network:{}", list(.missing, .unexpected, .misshapen))]
pub struct ImportError {
    /// Names that the module has and the tensors lack.
    pub missing: Vec<String>,
    /// Names that the tensors have and the module lacks.
    pub unexpected: Vec<String>,
    /// Name, shape found, shape expected.
    pub misshapen: Vec<(String, Vec<usize>, Vec<usize>)>,
}

fn list(missing: &[String], unexpected: &[String], misshapen: &[(String, Vec<usize>, Vec<usize>)]) -> String {
    let missing = missing.iter().map(|name| format!("\n  missing: {name}"));
    let unexpected = unexpected.iter().map(|name| format!("\n  unexpected: {name}"));
    let misshapen = misshapen
        .iter()
        .map(|(name, found, expected)| format!("\n  wrong shape: {name} is {found:?}, expected {expected:?}"));
    missing.chain(unexpected).chain(misshapen).collect()
}

/// Every float tensor of a module, buffers included, in the order of its fields. The values are exact.
pub fn export(module: &impl Module) -> Vec<NamedTensor> {
    let mut exporter = Exporter { path: Path::default(), tensors: Vec::new() };
    module.visit(&mut exporter);
    exporter.tensors
}

/// The module with its tensors replaced by those given, bit for bit; devices and gradient settings stay.
///
/// # Errors
/// - any missing, unexpected or wrongly shaped tensor, all of them listed; the module is lost then
pub fn import<M: Module>(module: M, tensors: &[NamedTensor]) -> Result<M, ImportError> {
    let mut importer = Importer {
        path: Path::default(),
        tensors: tensors.iter().map(|tensor| (tensor.name.as_str(), tensor)).collect(),
        error: ImportError { missing: Vec::new(), unexpected: Vec::new(), misshapen: Vec::new() },
    };
    let module = module.map(&mut importer);
    let Importer { tensors: left, mut error, .. } = importer;
    error.unexpected = left.into_keys().map(str::to_owned).collect();
    if error.missing.is_empty() && error.unexpected.is_empty() && error.misshapen.is_empty() {
        Ok(module)
    } else {
        Err(error)
    }
}

/// Where a visitor stands in a module, and whether that is inside a batch norm.
#[derive(Debug, Default)]
pub(crate) struct Path {
    parts: Vec<(String, bool)>,
}

impl Path {
    pub(crate) fn enter(&mut self, name: &str, container: &str) {
        // An enum's variant is no field: an encoder's names do not depend on the type that holds it.
        let name = if container.starts_with("Enum:") { String::new() } else { name.to_owned() };
        self.parts.push((name, BatchNorm::is_container(container)));
    }

    pub(crate) fn exit(&mut self) {
        self.parts.pop();
    }

    /// The fields joined by dots.
    pub(crate) fn name(&self) -> String {
        let names: Vec<&str> = self.parts.iter().map(|(name, _)| name.as_str()).filter(|n| !n.is_empty()).collect();
        names.join(".")
    }

    pub(crate) fn in_batch_norm(&self) -> bool {
        self.parts.last().is_some_and(|(_, norm)| *norm)
    }
}

struct Exporter {
    path: Path,
    tensors: Vec<NamedTensor>,
}

impl ModuleVisitor for Exporter {
    fn enter_module(&mut self, name: &str, container: &str) {
        self.path.enter(name, container);
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.exit();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.tensors.push(NamedTensor {
            name: self.path.name(),
            shape: param.dims().to_vec(),
            data: values(param.val()),
        });
    }
}

struct Importer<'a> {
    path: Path,
    tensors: BTreeMap<&'a str, &'a NamedTensor>,
    error: ImportError,
}

impl ModuleMapper for Importer<'_> {
    fn enter_module(&mut self, name: &str, container: &str) {
        self.path.enter(name, container);
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.exit();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let name = self.path.name();
        let Some(tensor) = self.tensors.remove(name.as_str()) else {
            self.error.missing.push(name);
            return param;
        };
        let expected = param.dims();
        if tensor.shape != expected || tensor.data.len() != expected.iter().product::<usize>() {
            self.error.misshapen.push((name, tensor.shape.clone(), expected.to_vec()));
            return param;
        }
        replace(param, TensorData::new(tensor.data.clone(), expected))
    }
}

/// The parameter with new values, and everything else as it was.
pub(crate) fn replace<const D: usize>(param: Param<Tensor<D>>, data: TensorData) -> Param<Tensor<D>> {
    param.map(|old| {
        let requires_grad = old.is_require_grad();
        Tensor::from_data(data, &old.device()).set_require_grad(requires_grad)
    })
}

/// A tensor's values in row-major order.
///
/// # Panics
/// - never for the f32 tensors that this program makes
pub(crate) fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().convert::<f32>().try_into_vec::<f32>().expect("converted to f32 just before")
}
