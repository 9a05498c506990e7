//! Residual networks in torchvision's layout.

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use sporeprint_kernels::{self as kernels, Activation};

use super::Features;
use super::init::Generator;
use super::layers::{BatchNorm, Conv, Mode, Pass};
use crate::config::{ResNetPlan, Stem, scaled};

/// One residual block: `relu(shortcut(x) + branch(x))`.
#[derive(Module, Debug)]
pub(crate) struct Block {
    pub(crate) conv1: Conv,
    pub(crate) bn1: BatchNorm,
    pub(crate) conv2: Conv,
    pub(crate) bn2: BatchNorm,
    /// Third convolution of a bottleneck.
    pub(crate) conv3: Option<Conv>,
    pub(crate) bn3: Option<BatchNorm>,
    /// Projects the shortcut where shapes change.
    pub(crate) downsample: Option<Downsample>,
    #[module(skip)]
    pub(crate) stride: usize,
}

#[derive(Module, Debug)]
pub(crate) struct Downsample {
    pub(crate) conv: Conv,
    pub(crate) norm: BatchNorm,
}

impl Block {
    fn init(
        [n_in, n_mid, n_out]: [usize; 3],
        stride: usize,
        bottleneck: bool,
        generator: &mut Generator,
        device: &Device,
    ) -> Self {
        let first = if bottleneck { 1 } else { 3 };
        let projects = stride != 1 || n_in != n_out;
        let mut conv = |n_out, n_in, k| Conv::init([n_out, n_in, k, k], false, generator, device);
        Self {
            conv1: conv(n_mid, n_in, first),
            bn1: BatchNorm::init(n_mid, device),
            conv2: conv(n_mid, n_mid, 3),
            bn2: BatchNorm::init(n_mid, device),
            conv3: bottleneck.then(|| conv(n_out, n_mid, 1)),
            bn3: bottleneck.then(|| BatchNorm::init(n_out, device)),
            downsample: projects
                .then(|| Downsample { conv: conv(n_out, n_in, 1), norm: BatchNorm::init(n_out, device) }),
            stride,
        }
    }

    fn forward(&self, x: Tensor<4>, pass: &mut Pass) -> Tensor<4> {
        let (x, shortcut) = kernels::fork(x);
        // torchvision puts a basic block's stride into its first convolution, a bottleneck's into its 3x3.
        let branch = match (&self.conv3, &self.bn3) {
            (Some(conv3), Some(bn3)) => {
                let y = self.bn1.forward(self.conv1.forward(x, 1, 0), Activation::Relu, pass);
                let y = self.bn2.forward(self.conv2.forward(y, self.stride, 1), Activation::Relu, pass);
                bn3.forward(conv3.forward(y, 1, 0), Activation::None, pass)
            }
            _ => {
                let y = self.bn1.forward(self.conv1.forward(x, self.stride, 1), Activation::Relu, pass);
                self.bn2.forward(self.conv2.forward(y, 1, 1), Activation::None, pass)
            }
        };
        let shortcut = match &self.downsample {
            Some(projection) => {
                projection.norm.forward(projection.conv.forward(shortcut, self.stride, 0), Activation::None, pass)
            }
            None => shortcut,
        };
        kernels::add_relu(branch, shortcut)
    }

    fn norms_mut(&mut self) -> impl Iterator<Item = &mut BatchNorm> {
        [&mut self.bn1, &mut self.bn2]
            .into_iter()
            .chain(self.bn3.as_mut())
            .chain(self.downsample.as_mut().map(|projection| &mut projection.norm))
    }
}

/// The feature layers of a ResNet.
///
/// # Reference
/// He et al. 2015, arXiv:1512.03385; torchvision's variant (stride in the bottleneck's 3x3).
#[derive(Module, Debug)]
pub struct ResNet {
    pub(crate) conv1: Conv,
    pub(crate) bn1: BatchNorm,
    /// Four stages; torchvision calls them `layer1` to `layer4`.
    pub(crate) layers: Vec<Vec<Block>>,
    #[module(skip)]
    stem: Stem,
}

impl ResNet {
    pub(crate) fn init(plan: &ResNetPlan, width: f64, stem: Stem, generator: &mut Generator, device: &Device) -> Self {
        let mut n_in = scaled(ResNetPlan::CHANNELS[0], width);
        let [kernel, _, _] = stem.convolution();
        let conv1 = Conv::init([n_in, 3, kernel, kernel], false, generator, device);
        let bn1 = BatchNorm::init(n_in, device);
        let mut layers = Vec::with_capacity(plan.depths.len());
        for (stage, (&depth, channels)) in plan.depths.iter().zip(ResNetPlan::CHANNELS).enumerate() {
            let n_mid = scaled(channels, width);
            let n_out = n_mid * plan.expansion();
            let mut blocks = Vec::with_capacity(depth);
            for position in 0..depth {
                let stride = if stage > 0 && position == 0 { 2 } else { 1 };
                blocks.push(Block::init([n_in, n_mid, n_out], stride, plan.bottleneck, generator, device));
                n_in = n_out;
            }
            layers.push(blocks);
        }
        Self { conv1, bn1, layers, stem }
    }

    /// # Shapes
    /// - images: `[batch, 3, height, width]`
    /// - map: `[batch, channels, height / 32, width / 32]`, or less reduced with a small [`Stem`], rounded up; no indices
    pub(crate) fn forward_features(&self, images: Tensor<4>, mode: Mode) -> Features {
        let mut pass = Pass::new(mode);
        let [_, stride, padding] = self.stem.convolution();
        let mut map = self.bn1.forward(self.conv1.forward(images, stride, padding), Activation::Relu, &mut pass);
        if self.stem.pools() {
            map = kernels::max_pool3x3s2(map);
        }
        for block in self.layers.iter().flatten() {
            map = block.forward(map, &mut pass);
        }
        Features { map, indices: Vec::new(), statistics: pass.statistics }
    }

    /// Stride and padding of the first convolution.
    pub(crate) fn stem_geometry(&self) -> [usize; 2] {
        let [_, stride, padding] = self.stem.convolution();
        [stride, padding]
    }

    /// Whether a pooling follows the first convolution.
    pub(crate) fn stem_pools(&self) -> bool {
        self.stem.pools()
    }

    /// The batch norms in the order in which a forward pass meets them.
    pub(crate) fn norms_mut(&mut self) -> Vec<&mut BatchNorm> {
        std::iter::once(&mut self.bn1).chain(self.layers.iter_mut().flatten().flat_map(Block::norms_mut)).collect()
    }
}
