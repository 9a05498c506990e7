//! Gradients of batch normalisation.

use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Flex};
use burn_autodiff::checkpoint::base::Checkpointer;
use burn_autodiff::checkpoint::strategy::CheckpointStrategy;
use burn_autodiff::grads::Gradients;
use burn_autodiff::ops::{Backward, NodeGuard, Ops, OpsKind};
use burn_flex::FlexTensor;

use crate::cpu::activation::Activation;
use crate::extension::Normed;
use crate::flex::{self, Statistics, channels_last, vector, vector_tensor};

#[derive(Debug)]
struct BatchNorm;

impl Backward<Flex, 3> for BatchNorm {
    /// The input, channels last, and what its channels were normalised with.
    type State = (FlexTensor, Statistics);

    fn backward(self, ops: Ops<Self::State, 3>, grads: &mut Gradients, _: &mut Checkpointer) {
        let g = grads.consume::<Flex>(&ops.node);
        let (x, statistics) = ops.state;
        let gradients = flex::batch_norm_backward(&x, &statistics, g);
        for (node, gradient) in ops.parents.into_iter().zip(gradients) {
            if let Some(node) = node {
                grads.register::<Flex>(node.id, gradient);
            }
        }
    }
}

fn record<C: CheckpointStrategy>(
    nodes: [NodeGuard; 3],
    state: (FlexTensor, Statistics),
    y: FlexTensor,
) -> FloatTensor<Autodiff<Flex, C>> {
    match BatchNorm.prepare::<C>(nodes).compute_bound().stateful() {
        OpsKind::Tracked(prep) => prep.finish(state, y),
        OpsKind::UnTracked(prep) => prep.finish(y),
    }
}

pub(super) fn train<C: CheckpointStrategy>(
    x: FloatTensor<Autodiff<Flex, C>>,
    gamma: FloatTensor<Autodiff<Flex, C>>,
    beta: FloatTensor<Autodiff<Flex, C>>,
    eps: f64,
    activation: Activation,
) -> Normed<Autodiff<Flex, C>> {
    let nodes = [x.node(), gamma.node(), beta.node()];
    let x = channels_last(x.into_primitive());
    let (gamma, beta) = (vector(gamma.primitive()), vector(beta.primitive()));
    let (y, statistics) = flex::batch_norm_train(&x, gamma, beta, eps, activation);
    let (mean, var) = (vector_tensor(&statistics.mean), vector_tensor(&statistics.var));
    let y = record::<C>(nodes, (x, statistics), y);
    Normed { y, mean: <FloatTensor<Autodiff<Flex, C>>>::new(mean), var: <FloatTensor<Autodiff<Flex, C>>>::new(var) }
}

pub(super) fn eval<C: CheckpointStrategy>(
    x: FloatTensor<Autodiff<Flex, C>>,
    gamma: FloatTensor<Autodiff<Flex, C>>,
    beta: FloatTensor<Autodiff<Flex, C>>,
    (mean, var): (&FlexTensor, &FlexTensor),
    eps: f64,
    activation: Activation,
) -> FloatTensor<Autodiff<Flex, C>> {
    let nodes = [x.node(), gamma.node(), beta.node()];
    let x = channels_last(x.into_primitive());
    let [gamma, beta, mean, var] = [gamma.primitive(), beta.primitive(), mean, var].map(vector);
    let statistics = Statistics { gamma, beta, mean, var, eps, activation, training: false };
    let y = flex::batch_norm_eval(&x, &statistics);
    record::<C>(nodes, (x, statistics), y)
}

#[derive(Debug)]
struct ScaleOutputs;

impl Backward<Flex, 2> for ScaleOutputs {
    /// Weight and scale.
    type State = (FlexTensor, FlexTensor);

    fn backward(self, ops: Ops<Self::State, 2>, grads: &mut Gradients, _: &mut Checkpointer) {
        let g = grads.consume::<Flex>(&ops.node).to_contiguous();
        let (weight, scale) = ops.state;
        let [weight_node, scale_node] = ops.parents;
        if let Some(node) = weight_node {
            grads.register::<Flex>(node.id, flex::scale_outputs(&g, &scale));
        }
        if let Some(node) = scale_node {
            grads.register::<Flex>(node.id, flex::scale_gradient(&weight, &g));
        }
    }
}

pub(super) fn scale_outputs<C: CheckpointStrategy>(
    weight: FloatTensor<Autodiff<Flex, C>>,
    scale: FloatTensor<Autodiff<Flex, C>>,
) -> FloatTensor<Autodiff<Flex, C>> {
    let ((weight, weight_node), (scale, scale_node)) = (weight.into_parts(), scale.into_parts());
    let (weight, scale) = (weight.to_contiguous(), scale.to_contiguous());
    let scaled = flex::scale_outputs(&weight, &scale);
    match ScaleOutputs.prepare::<C>([weight_node, scale_node]).compute_bound().stateful() {
        OpsKind::Tracked(prep) => prep.finish((weight, scale), scaled),
        OpsKind::UnTracked(prep) => prep.finish(scaled),
    }
}
