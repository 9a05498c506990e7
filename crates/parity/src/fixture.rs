//! The numbers of single layers.

use burn::tensor::{Device, Tensor, TensorData};
use serde_json::Value;

use crate::{check, floats, reference};

/// A fixture of `reference/fixtures/`, its arrays flat, read for one device.
pub struct Fixture {
    values: Value,
    device: Device,
}

impl Fixture {
    /// Reads it.
    pub fn read(name: &str, device: &Device) -> Self {
        let text = std::fs::read_to_string(reference("fixtures").join(name)).expect("a fixture");
        Self { values: serde_json::from_str(&text).expect("JSON"), device: device.clone() }
    }

    /// All numbers of an array.
    pub fn floats(&self, name: &str) -> Vec<f32> {
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
    pub fn number(&self, name: &str) -> f64 {
        self.values[name].as_f64().expect("a number")
    }

    /// An array, on the device.
    pub fn tensor<const D: usize>(&self, name: &str) -> Tensor<D> {
        let mut shape = Vec::new();
        let mut value = &self.values[name];
        while let Value::Array(items) = value {
            shape.push(items.len());
            value = &items[0];
        }
        Tensor::from_data(TensorData::new(self.floats(name), shape), &self.device)
    }

    /// Holds a tensor to the array of this name.
    pub fn check<const D: usize>(&self, name: &str, found: Tensor<D>) {
        check(name, &floats(found), &self.floats(name));
    }
}
