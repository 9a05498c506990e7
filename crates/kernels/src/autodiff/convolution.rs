//! Gradients of the convolutions.

use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Flex};
use burn_autodiff::NodeId;
use burn_autodiff::checkpoint::base::Checkpointer;
use burn_autodiff::checkpoint::strategy::CheckpointStrategy;
use burn_autodiff::grads::Gradients;
use burn_autodiff::ops::{Backward, Ops, OpsKind};
use burn_backend::TensorMetadata;
use burn_flex::FlexTensor;

use crate::flex::{self, Kind, channels_last, map_of};

#[derive(Debug)]
struct Convolution;

/// The forward pass's input (channels last) and weights.
#[derive(Clone, Debug)]
struct State {
    x: FlexTensor,
    weight: FlexTensor,
    kind: Kind,
}

impl Backward<Flex, 2> for Convolution {
    type State = State;

    fn backward(self, ops: Ops<State, 2>, grads: &mut Gradients, _: &mut Checkpointer) {
        let g = grads.consume::<Flex>(&ops.node);
        let [x, weight] = ops.parents.map(|node| node.map(|node| node.id));
        register(ops.state, g, [x, weight, None], grads);
    }
}

impl Backward<Flex, 3> for Convolution {
    type State = State;

    fn backward(self, ops: Ops<State, 3>, grads: &mut Gradients, _: &mut Checkpointer) {
        let g = grads.consume::<Flex>(&ops.node);
        register(ops.state, g, ops.parents.map(|node| node.map(|node| node.id)), grads);
    }
}

/// Registers the gradients of those parents (input, weight, bias) that want one.
fn register(state: State, g: FlexTensor, [x, weight, bias]: [Option<NodeId>; 3], grads: &mut Gradients) {
    let g = channels_last(g);
    if let Some(node) = bias {
        grads.register::<Flex>(node, flex::bias_gradient(&g));
    }
    if let Some(node) = weight {
        grads.register::<Flex>(node, flex::weight_gradient(state.kind, &state.x, &g, state.weight.shape()));
    }
    if let Some(node) = x {
        grads.register::<Flex>(node, flex::input_gradient(state.kind, map_of(&state.x), &state.weight, &g));
    }
}

pub(super) fn convolution<C: CheckpointStrategy>(
    x: FloatTensor<Autodiff<Flex, C>>,
    weight: FloatTensor<Autodiff<Flex, C>>,
    bias: Option<FloatTensor<Autodiff<Flex, C>>>,
    kind: Kind,
) -> FloatTensor<Autodiff<Flex, C>> {
    let (x, x_node) = x.into_parts();
    let (weight, weight_node) = weight.into_parts();
    let state = State { x: channels_last(x), weight: weight.to_contiguous(), kind };
    match bias {
        Some(bias) => {
            let (bias, bias_node) = bias.into_parts();
            let y = flex::forward(kind, &state.x, &state.weight, Some(&bias));
            match Convolution.prepare::<C>([x_node, weight_node, bias_node]).compute_bound().stateful() {
                OpsKind::Tracked(prep) => prep.finish(state, y),
                OpsKind::UnTracked(prep) => prep.finish(y),
            }
        }
        None => {
            let y = flex::forward(kind, &state.x, &state.weight, None);
            match Convolution.prepare::<C>([x_node, weight_node]).compute_bound().stateful() {
                OpsKind::Tracked(prep) => prep.finish(state, y),
                OpsKind::UnTracked(prep) => prep.finish(y),
            }
        }
    }
}
