//! A model of another framework in ONNX Runtime.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use ort::session::Session;
use ort::session::builder::{AutoDevicePolicy, GraphOptimizationLevel};
use ort::value::{TensorElementType, TensorRef, ValueType};
use rayon::prelude::*;

use super::library::environment;
use crate::config::Normalization;
use crate::config::{OnnxConfig, TokenCode};
use crate::encoder::frozen::{FrozenEncoder, FrozenError, check_value};
use crate::images::RgbView;

/// Bytes of weights that all sessions of a model may hold together. Each has a copy of its own, so that a large model
/// gets fewer sessions than there are threads.
const ALL_WEIGHTS: u64 = 4 << 30;

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
    // To look at its input, a model need not be made fast.
    let session = session(path, GraphOptimizationLevel::Disable)?;
    Ok(input_of(&session, path)?.side)
}

/// Bytes that the sessions of a model take, about: one of them comes into memory twice while it is read.
pub(in crate::encoder::frozen) fn memory_bytes(path: &Path) -> f64 {
    let weights = weight_bytes(path);
    (n_sessions(weights) as u64 + 1) as f64 * weights as f64
}

/// Sessions that run at once.
fn n_sessions(weight_bytes: u64) -> usize {
    let fit = usize::try_from(ALL_WEIGHTS / weight_bytes.max(1)).unwrap_or(usize::MAX);
    fit.clamp(1, rayon::current_num_threads())
}

/// Bytes of the model and of files beside it that hold its weights: `model.onnx.data`, `model.onnx_data`.
fn weight_bytes(path: &Path) -> u64 {
    let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else { return 0 };
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let entries = folder.read_dir().into_iter().flatten().flatten();
    let name = name.as_encoded_bytes();
    let of_model = entries.filter(|entry| entry.file_name().as_encoded_bytes().starts_with(name));
    of_model.filter_map(|entry| entry.metadata().ok()).map(|file| file.len()).sum()
}

/// Reads a model for one thread of the processor: on other devices it would give other codes.
fn session(path: &Path, level: GraphOptimizationLevel) -> Result<Session, FrozenError> {
    if !fs_err::metadata(path)?.is_file() {
        return Err(failed(path, "not a file"));
    }
    let environment = environment()?;
    let built = || -> ort::Result<Session> {
        let builder = Session::builder(&environment)?.with_auto_device(AutoDevicePolicy::PreferCPU)?;
        let builder = builder.with_intra_threads(1)?.with_inter_threads(1)?;
        builder.with_optimization_level(level)?.commit_from_file(path)
    };
    built().map_err(|error| failed(path, &in_words(&error)))
}

fn failed(path: &Path, reason: &str) -> FrozenError {
    FrozenError::Model { path: path.to_owned(), reason: reason.to_owned() }
}

fn in_words(error: &ort::Error) -> String {
    let mut text = error.message().trim().to_owned();
    if let Some((end, _)) = text.char_indices().nth(600) {
        text.truncate(end);
        text.push_str("..");
    }
    text
}

fn input_of(session: &Session, path: &Path) -> Result<Input, FrozenError> {
    let failed = |reason: String| Err(failed(path, &reason));
    let [input] = session.inputs() else {
        return failed(format!("it takes {} inputs, expected one: pictures", session.inputs().len()));
    };
    let ValueType::Tensor { ty, shape, .. } = input.dtype() else {
        return failed("its input is no tensor, expected pictures".to_owned());
    };
    if *ty != TensorElementType::Float32 {
        return failed(format!("its input has numbers of type {ty}, expected {}", TensorElementType::Float32));
    }
    // What the model leaves open is -1.
    let extents: Vec<Option<usize>> = shape.iter().map(|&extent| usize::try_from(extent).ok()).collect();
    let [batch, axes @ ..] = extents.as_slice() else { return failed("its input has no axes".to_owned()) };
    let [first, second, third] = *axes else {
        return failed(format!("its input has {} axes, expected 4: batch, channels, height, width", extents.len()));
    };
    if batch.is_some_and(|n| n != 1) {
        return failed(format!("it takes batches of {} only, expected 1 or any number", batch.unwrap_or(0)));
    }
    let channels_last = third == Some(3) && first != Some(3);
    let (channels, sides) = if channels_last { (third, (first, second)) } else { (first, (second, third)) };
    if channels.is_some_and(|n| n != 3) {
        return failed(format!("its input has {} channels, expected 3", channels.unwrap_or(0)));
    }
    match sides {
        (Some(height), Some(width)) if height != width => {
            failed(format!("its input is {width} x {height} pixels, expected a square"))
        }
        (height, width) => Ok(Input { channels_last, side: height.or(width) }),
    }
}

/// A model of another framework: pictures are spread over sessions of one thread each, and go through one at a time.
///
/// So a code depends on its picture alone. Given several threads of its own, ONNX Runtime cuts some products by their
/// number, and the last bits differ: of a matrix product of two computed operands, 8 x 1568 by 1568 x 96, they did for
/// each of 1, 2, 3, 4 and 8 threads; those of usual transformers and convolutional networks did not.
///
/// Its first output is the code: as it is for `[1, dim]`, the tokens that [`OnnxConfig::tokens`] names for
/// `[1, tokens, dim]`, the mean over height and width for `[1, channels, height, width]`.
pub(super) struct OnnxEncoder {
    path: PathBuf,
    /// All but the first are opened when there is work for them.
    sessions: Vec<Mutex<Option<Session>>>,
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
    /// - ONNX Runtime is not there
    /// - a file that is no ONNX model, or asks for an operator that is not known (which is named)
    /// - an input that takes no pictures of this size, an output that is no code
    pub(super) fn open(config: &OnnxConfig) -> Result<Self, FrozenError> {
        config.check()?;
        let mut first = open(&config.model)?;
        let input = input_of(&first, &config.model)?;
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
        let mut encoder = Self {
            path: config.model.clone(),
            sessions: Vec::new(),
            channels_last: input.channels_last,
            image_size,
            mean: config.mean.unwrap_or(Normalization::IMAGENET.mean),
            deviation: config.deviation.unwrap_or(Normalization::IMAGENET.deviation),
            tokens: config.tokens,
            dim: 0,
        };
        let grey = vec![128; image_size * image_size * 3];
        let code = encoder.code(&mut first, RgbView::new(image_size, image_size, &grey))?;
        if code.is_empty() || code.iter().any(|x| !x.is_finite()) {
            return Err(encoder.failed("the code of a grey picture is empty or not finite"));
        }
        encoder.dim = code.len();
        encoder.sessions.push(Mutex::new(Some(first)));
        encoder.sessions.resize_with(n_sessions(weight_bytes(&config.model)), Mutex::default);
        Ok(encoder)
    }

    fn failed(&self, reason: &str) -> FrozenError {
        failed(&self.path, reason)
    }

    fn code(&self, session: &mut Session, image: RgbView<'_>) -> Result<Vec<f32>, FrozenError> {
        let plane = self.image_size * self.image_size;
        let mut values = vec![0.0_f32; 3 * plane];
        for (at, pixel) in image.data.chunks_exact(3).enumerate() {
            for (channel, &value) in pixel.iter().enumerate() {
                let place = if self.channels_last { 3 * at + channel } else { channel * plane + at };
                values[place] = (f32::from(value) / 255.0 - self.mean[channel]) / self.deviation[channel];
            }
        }
        let side = self.image_size;
        let shape = if self.channels_last { [1, side, side, 3] } else { [1, 3, side, side] };
        let failed = |error: ort::Error| self.failed(&in_words(&error));
        let input = TensorRef::from_array_view((shape, values.as_slice())).map_err(failed)?;
        let outputs = session.run(ort::inputs![input]).map_err(failed)?;
        let (_, output) = outputs.iter().next().ok_or_else(|| self.failed("it has no output"))?;
        let (shape, values) = output.try_extract_tensor::<f32>().map_err(failed)?;
        let shape: Vec<usize> = shape.iter().filter_map(|&extent| usize::try_from(extent).ok()).collect();
        match *shape {
            [1, _] | [_] | [1, _, 1, 1] => Ok(values.to_vec()),
            [1, n, dim] if n > 0 => Ok(self.of_tokens(values, n, dim)),
            [1, _, height, width] if height * width > 0 => {
                let n = height * width;
                Ok(values.chunks_exact(n).map(|map| map.iter().sum::<f32>() / n as f32).collect())
            }
            ref other => Err(self.failed(&format!(
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

    /// Codes of one session's share of a batch.
    fn codes_of(&self, session: &Mutex<Option<Session>>, images: &[RgbView<'_>]) -> Result<Vec<f32>, FrozenError> {
        let mut session = session.lock().unwrap_or_else(PoisonError::into_inner);
        let session = match &mut *session {
            Some(session) => session,
            closed => closed.insert(open(&self.path)?),
        };
        let mut codes = Vec::with_capacity(images.len() * self.dim);
        for image in images {
            let code = self.code(session, *image)?;
            if code.len() != self.dim {
                let reason = format!("a code has {} numbers, expected {} as of a grey picture", code.len(), self.dim);
                return Err(self.failed(&reason));
            }
            codes.extend(code);
        }
        Ok(codes)
    }
}

/// Reads a model to be run.
fn open(path: &Path) -> Result<Session, FrozenError> {
    session(path, GraphOptimizationLevel::All)
}

impl FrozenEncoder for OnnxEncoder {
    fn dim(&self) -> usize {
        self.dim
    }

    fn batch_size(&self) -> usize {
        8 * self.sessions.len()
    }

    fn codes(&self, images: &[RgbView<'_>]) -> Result<Vec<f32>, FrozenError> {
        let share = images.len().div_ceil(self.sessions.len()).max(1);
        let work = images.par_chunks(share).zip(&self.sessions);
        let codes: Result<Vec<_>, _> = work.map(|(images, session)| self.codes_of(session, images)).collect();
        Ok(codes?.concat())
    }
}
