//! Gradients of pooling and unpooling.

use burn::backend::tensor::{FloatTensor, IntTensor};
use burn::backend::{Autodiff, Flex};
use burn_autodiff::checkpoint::base::Checkpointer;
use burn_autodiff::checkpoint::strategy::CheckpointStrategy;
use burn_autodiff::grads::Gradients;
use burn_autodiff::ops::{Backward, NodeGuard, Ops, OpsKind};
use burn_flex::FlexTensor;

use crate::cpu::map::Map;
use crate::extension::Pooled;
use crate::flex::{self, map_of};

/// Which operation, with the input's shape where its gradient needs that.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Pool2x2(Map),
    Pool3x3s2(Map),
    Unpool2x2,
}

#[derive(Debug)]
struct Pooling;

impl Backward<Flex, 1> for Pooling {
    type State = (Kind, FlexTensor);

    fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let g = grads.consume::<Flex>(&ops.node);
        let (kind, indices) = ops.state;
        let [Some(node)] = ops.parents else { return };
        let gradient = match kind {
            Kind::Pool2x2(map) => flex::max_pool2x2_backward(map, &indices, g),
            Kind::Pool3x3s2(map) => flex::max_pool3x3s2_backward(map, &indices, g),
            Kind::Unpool2x2 => flex::max_unpool2x2_backward(&indices, g),
        };
        grads.register::<Flex>(node.id, gradient);
    }
}

fn record<C: CheckpointStrategy>(
    node: NodeGuard,
    kind: Kind,
    indices: FlexTensor,
    y: FlexTensor,
) -> FloatTensor<Autodiff<Flex, C>> {
    match Pooling.prepare::<C>([node]).compute_bound().stateful() {
        OpsKind::Tracked(prep) => prep.finish((kind, indices), y),
        OpsKind::UnTracked(prep) => prep.finish(y),
    }
}

pub(super) fn pool2x2<C: CheckpointStrategy>(x: FloatTensor<Autodiff<Flex, C>>) -> Pooled<Autodiff<Flex, C>> {
    let (x, node) = x.into_parts();
    let map = map_of(&x);
    let (y, indices) = flex::max_pool2x2(x);
    Pooled { y: record::<C>(node, Kind::Pool2x2(map), indices.clone(), y), indices }
}

pub(super) fn unpool2x2<C: CheckpointStrategy>(
    x: FloatTensor<Autodiff<Flex, C>>,
    indices: IntTensor<Autodiff<Flex, C>>,
) -> FloatTensor<Autodiff<Flex, C>> {
    let (x, node) = x.into_parts();
    let (y, indices) = flex::max_unpool2x2(x, indices);
    record::<C>(node, Kind::Unpool2x2, indices, y)
}

pub(super) fn pool3x3s2<C: CheckpointStrategy>(x: FloatTensor<Autodiff<Flex, C>>) -> FloatTensor<Autodiff<Flex, C>> {
    let (x, node) = x.into_parts();
    let map = map_of(&x);
    let (y, indices) = flex::max_pool3x3s2(x);
    record::<C>(node, Kind::Pool3x3s2(map), indices, y)
}
