//! A model of another framework in `tract`.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rayon::prelude::*;
use tract_onnx::pb::{GraphProto, ModelProto, tensor_proto::DataLocation};
use tract_onnx::prelude::*;
use tract_onnx::tract_core::internal::DimLike;
use tract_onnx::tract_hir::infer::Factoid;

use crate::batch::{DEVIATION, MEAN};
use crate::config::OnnxConfig;
use crate::config::TokenCode;
use crate::encoder::frozen::{FrozenEncoder, FrozenError, check_value};
use crate::images::RgbView;

/// How the model takes pictures.
#[derive(Clone, Copy, Debug)]
struct Input {
    /// Channels last rather than first.
    channels_last: bool,
    /// Side of the pictures, where the model has only one.
    side: Option<usize>,
}

/// Side of the pictures, where the model takes only one.
pub(super) fn only_size(path: &Path) -> Result<Option<usize>, FrozenError> {
    Ok(read(path)?.1.side)
}

/// Reads a model and what it says of its input.
fn read(path: &Path) -> Result<(InferenceModel, Input), FrozenError> {
    let failed = |reason: String| FrozenError::Model { path: path.to_owned(), reason };
    let bytes = fs_err::metadata(path)?;
    if !bytes.is_file() {
        return Err(failed("not a file".to_owned()));
    }
    let work = || -> Result<(InferenceModel, Input), FrozenError> {
        // Shapes noted in the file name a batch of any size, which a batch of one would contradict.
        let onnx = tract_onnx::onnx().with_ignore_value_info(true).with_ignore_output_shapes(true);
        let proto = onnx.proto_model_for_path(path).map_err(|error| failed(chain(&error)))?;
        refuse_stray_data(&proto, path)?;
        let known = |name: &str| onnx.op_register.0.contains_key(name);
        let unknown: BTreeSet<&str> = operators(&proto).filter(|name| !known(name)).collect();
        if !unknown.is_empty() {
            let operators = unknown.into_iter().collect::<Vec<_>>().join(", ");
            return Err(FrozenError::Operators { path: path.to_owned(), operators });
        }
        let model = onnx.model_for_path(path).map_err(|error| failed(chain(&error)))?;
        let input = input_of(&model).map_err(failed)?;
        Ok((model, input))
    };
    guarded(path, work)
}

fn operators(proto: &ModelProto) -> impl Iterator<Item = &str> {
    proto.graph.iter().flat_map(|graph: &GraphProto| &graph.node).map(|node| node.op_type.as_str())
}

/// Weights that lie in other files must lie beside the model: no file elsewhere is read because a model says so.
fn refuse_stray_data(proto: &ModelProto, path: &Path) -> Result<(), FrozenError> {
    for tensor in proto.graph.iter().flat_map(|graph| &graph.initializer) {
        if tensor.data_location != Some(DataLocation::External as i32) {
            continue;
        }
        let place = tensor.external_data.iter().find(|entry| entry.key == "location").map_or("", |entry| &entry.value);
        let inside = Path::new(place).components().all(|part| matches!(part, std::path::Component::Normal(_)));
        if !inside || place.is_empty() {
            let reason = format!("tensor {} wants its values from {place:?}, outside the model's folder", tensor.name);
            return Err(FrozenError::Model { path: path.to_owned(), reason });
        }
    }
    Ok(())
}

fn input_of(model: &InferenceModel) -> Result<Input, String> {
    let [input] = model.inputs.as_slice() else {
        return Err(format!("it takes {} inputs, expected one: pictures", model.inputs.len()));
    };
    let fact = model.outlet_fact(*input).map_err(|error| chain(&error))?;
    let extents: Vec<Option<usize>> =
        fact.shape.dims().map(|dim| dim.concretize().and_then(|dim| dim.to_usize().ok())).collect();
    if extents.len() != 4 {
        return Err(format!("its input has {} axes, expected 4: batch, channels, height, width", extents.len()));
    }
    let channels_last = extents[3] == Some(3) && extents[1] != Some(3);
    let (channels, sides) = if channels_last { (extents[3], [1, 2]) } else { (extents[1], [2, 3]) };
    if channels.is_some_and(|n| n != 3) {
        return Err(format!("its input has {} channels, expected 3", channels.unwrap_or(0)));
    }
    match (extents[sides[0]], extents[sides[1]]) {
        (Some(height), Some(width)) if height != width => {
            Err(format!("its input is {width} x {height} pixels, expected a square"))
        }
        (height, width) => Ok(Input { channels_last, side: height.or(width) }),
    }
}

/// A model's own mistakes come back as errors, those that break its interpreter too.
fn guarded<T>(path: &Path, work: impl FnOnce() -> Result<T, FrozenError>) -> Result<T, FrozenError> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| {
        let reason = "its interpreter gave up on it".to_owned();
        Err(FrozenError::Model { path: path.to_owned(), reason })
    })
}

fn chain(error: &TractError) -> String {
    let mut text = format!("{error:#}");
    if let Some((end, _)) = text.char_indices().nth(600) {
        text.truncate(end);
        text.push_str("..");
    }
    text
}

/// A model of another framework, one picture at a time on each thread.
///
/// Its first output is the code: as it is for `[1, dim]`, the tokens that [`OnnxConfig::tokens`] names for
/// `[1, tokens, dim]`, the mean over height and width for `[1, channels, height, width]`.
pub(super) struct OnnxEncoder {
    path: PathBuf,
    plan: Arc<TypedRunnableModel>,
    channels_last: bool,
    image_size: usize,
    mean: [f32; 3],
    deviation: [f32; 3],
    tokens: TokenCode,
    dim: usize,
}

impl std::fmt::Debug for OnnxEncoder {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("OnnxEncoder").field("path", &self.path).field("dim", &self.dim).finish_non_exhaustive()
    }
}

impl OnnxEncoder {
    /// Reads a model and tries it on a grey picture.
    ///
    /// # Errors
    /// - a file that is no ONNX model, or asks for operators that are not known (all of them named)
    /// - an input that takes no pictures of this size, an output that is no code
    pub(super) fn open(config: &OnnxConfig) -> Result<Self, FrozenError> {
        config.check()?;
        let (model, input) = read(&config.model)?;
        let image_size = config.image_size();
        if let Some(side) = input.side.filter(|side| *side != image_size) {
            let hint = "leave `frozen.image_size` out to take the model's own";
            check_value(
                false,
                "frozen.image_size",
                image_size,
                format!("the only size that the model takes, {side}"),
                hint,
            )?;
        }
        let failed = |reason: String| FrozenError::Model { path: config.model.clone(), reason };
        let shape = shape(input.channels_last, image_size);
        let plan = guarded(&config.model, || {
            let plan = model.with_input_fact(0, f32::fact(shape).into()).and_then(|model| model.into_optimized());
            plan.and_then(|plan| plan.into_runnable()).map_err(|error| failed(chain(&error)))
        })?;
        let mut encoder = Self {
            path: config.model.clone(),
            plan,
            channels_last: input.channels_last,
            image_size,
            mean: config.mean.unwrap_or(MEAN),
            deviation: config.deviation.unwrap_or(DEVIATION),
            tokens: config.tokens,
            dim: 0,
        };
        let grey = vec![128; image_size * image_size * 3];
        let code = guarded(&config.model, || encoder.code(RgbView::new(image_size, image_size, &grey)))?;
        encoder.dim = code.len();
        if code.is_empty() || code.iter().any(|x| !x.is_finite()) {
            return Err(failed("the code of a grey picture is empty or not finite".to_owned()));
        }
        Ok(encoder)
    }

    fn code(&self, image: RgbView<'_>) -> Result<Vec<f32>, FrozenError> {
        let failed = |reason: String| FrozenError::Model { path: self.path.clone(), reason };
        let plane = self.image_size * self.image_size;
        let mut values = vec![0.0_f32; 3 * plane];
        for (at, pixel) in image.data.chunks_exact(3).enumerate() {
            for (channel, &value) in pixel.iter().enumerate() {
                let place = if self.channels_last { 3 * at + channel } else { channel * plane + at };
                values[place] = (f32::from(value) / 255.0 - self.mean[channel]) / self.deviation[channel];
            }
        }
        let shape = shape(self.channels_last, self.image_size);
        let input = Tensor::from_shape(&shape, &values).map_err(|error| failed(chain(&error)))?;
        let outputs = self.plan.run(tvec!(input.into())).map_err(|error| failed(chain(&error)))?;
        let output = outputs.first().ok_or_else(|| failed("it has no output".to_owned()))?;
        let output = output.cast_to::<f32>().map_err(|error| failed(chain(&error)))?;
        let values = output.to_plain_array_view::<f32>().map_err(|error| failed(chain(&error)))?;
        let values: Vec<f32> = values.iter().copied().collect();
        match output.shape() {
            [1, _] | [_] | [1, _, 1, 1] => Ok(values),
            [1, n, dim] if *n > 0 => Ok(self.of_tokens(&values, *n, *dim)),
            [1, channels, height, width] if height * width > 0 => {
                let n = height * width;
                let mean = |map: &[f32]| map.iter().sum::<f32>() / n as f32;
                debug_assert_eq!(values.len(), channels * n);
                Ok(values.chunks_exact(n).map(mean).collect())
            }
            other => Err(failed(format!(
                "its output has the shape {other:?}, expected one code of 1 to 3 axes for a picture"
            ))),
        }
    }

    /// The first token is the class token, as in all published transformers of pictures.
    fn of_tokens(&self, values: &[f32], n: usize, dim: usize) -> Vec<f32> {
        let class = &values[..dim];
        let mut mean = vec![0.0; dim];
        for token in values[dim..].chunks_exact(dim) {
            mean.iter_mut().zip(token).for_each(|(sum, x)| *sum += x / (n - 1) as f32);
        }
        match self.tokens {
            TokenCode::Class => class.to_vec(),
            TokenCode::Patches => mean,
            TokenCode::Both => [class, &mean].concat(),
        }
    }
}

fn shape(channels_last: bool, side: usize) -> [usize; 4] {
    if channels_last { [1, side, side, 3] } else { [1, 3, side, side] }
}

impl FrozenEncoder for OnnxEncoder {
    fn dim(&self) -> usize {
        self.dim
    }

    fn batch_size(&self) -> usize {
        8 * rayon::current_num_threads()
    }

    fn codes(&self, images: &[RgbView<'_>]) -> Result<Vec<f32>, FrozenError> {
        let codes: Result<Vec<Vec<f32>>, FrozenError> = images.par_iter().map(|image| self.code(*image)).collect();
        Ok(codes?.concat())
    }
}
