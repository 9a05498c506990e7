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

use crate::cpu::activation::Activation;
use crate::flex::{self, Kind, channels_last, map_of};

#[derive(Debug)]
struct Convolution;

/// The forward pass's input (channels last) and weights.
#[derive(Clone, Debug)]
struct State {
    x: FlexTensor,
    weight: FlexTensor,
    kind: Kind,
    /// What the output went through, and the output, which says where that was flat.
    activated: Option<(Activation, FlexTensor)>,
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
fn register(state: State, g: FlexTensor, parents: [Option<NodeId>; 3], grads: &mut Gradients) {
    let State { x, weight, kind, activated } = state;
    let g = channels_last(g);
    let wanted = parents.map(|parent| parent.is_some());
    let activated = activated.map(|(activation, y)| (activation, channels_last(y)));
    let by = activated.as_ref().map(|(activation, y)| (*activation, y));
    let gradients = match flex::pointwise_gradients(kind, &x, &weight, &g, by, wanted) {
        Some(gradients) => gradients,
        None => {
            let g = match activated {
                Some((activation, y)) => flex::activation_backward(activation, y, g),
                None => g,
            };
            [
                wanted[0].then(|| flex::input_gradient(kind, map_of(&x), &weight, &g)),
                wanted[1].then(|| flex::weight_gradient(kind, &x, &g, weight.shape())),
                wanted[2].then(|| flex::bias_gradient(&g)),
            ]
        }
    };
    for (node, gradient) in parents.into_iter().zip(gradients) {
        if let (Some(node), Some(gradient)) = (node, gradient) {
            grads.register::<Flex>(node, gradient);
        }
    }
}

pub(super) fn convolution<C: CheckpointStrategy>(
    x: FloatTensor<Autodiff<Flex, C>>,
    weight: FloatTensor<Autodiff<Flex, C>>,
    bias: Option<FloatTensor<Autodiff<Flex, C>>>,
    kind: Kind,
    activation: Activation,
) -> FloatTensor<Autodiff<Flex, C>> {
    let (x, x_node) = x.into_parts();
    let (weight, weight_node) = weight.into_parts();
    let mut state = State { x: channels_last(x), weight: weight.to_contiguous(), kind, activated: None };
    match bias {
        Some(bias) => {
            let (bias, bias_node) = bias.into_parts();
            let y = flex::forward(kind, &state.x, &state.weight, Some(&bias), activation);
            state.activated = (activation != Activation::None).then(|| (activation, y.clone()));
            match Convolution.prepare::<C>([x_node, weight_node, bias_node]).compute_bound().stateful() {
                OpsKind::Tracked(prep) => prep.finish(state, y),
                OpsKind::UnTracked(prep) => prep.finish(y),
            }
        }
        None => {
            let y = flex::forward(kind, &state.x, &state.weight, None, Activation::None);
            match Convolution.prepare::<C>([x_node, weight_node]).compute_bound().stateful() {
                OpsKind::Tracked(prep) => prep.finish(state, y),
                OpsKind::UnTracked(prep) => prep.finish(y),
            }
        }
    }
}
