//! The numbers of single layers.

use burn::tensor::{DType, Tensor};
use serde_json::Value;

use crate::{check, floats, reference, tensor};

/// A fixture of `reference/fixtures/`, its arrays flat, for numbers of one type.
pub(crate) struct Fixture {
    values: Value,
    numbers: DType,
}

impl Fixture {
    /// Reads it.
    pub(crate) fn read(name: &str, numbers: DType) -> Self {
        let text = std::fs::read_to_string(reference("fixtures").join(name)).expect("a fixture");
        Self { values: serde_json::from_str(&text).expect("JSON"), numbers }
    }

    /// All numbers of an array.
    pub(crate) fn floats(&self, name: &str) -> Vec<f32> {
        fn flatten(value: &Value, into: &mut Vec<f32>) {
            match value {
                Value::Array(items) => items.iter().for_each(|item| flatten(item, into)),
                other => into.push(other.as_f64().expect("a number") as f32),
            }
        }
        let mut flat = Vec::new();
        flatten(&self.values[name], &mut flat);
        flat
    }

    /// One number.
    pub(crate) fn number(&self, name: &str) -> f64 {
        self.values[name].as_f64().expect("a number")
    }

    /// An array.
    pub(crate) fn tensor<const D: usize>(&self, name: &str) -> Tensor<D> {
        let mut shape = Vec::new();
        let mut value = &self.values[name];
        while let Value::Array(items) = value {
            shape.push(items.len());
            value = &items[0];
        }
        tensor(&self.floats(name), &shape, self.numbers)
    }

    /// Holds a tensor to the array of this name.
    pub(crate) fn check<const D: usize>(&self, name: &str, found: Tensor<D>) {
        check(name, &floats(found, self.numbers), &self.floats(name));
    }
}
