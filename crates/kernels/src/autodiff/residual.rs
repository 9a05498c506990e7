//! Gradients of a residual block's beginning and end.

use std::sync::{Arc, Mutex, PoisonError};

use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Flex};
use burn_autodiff::checkpoint::base::Checkpointer;
use burn_autodiff::checkpoint::strategy::CheckpointStrategy;
use burn_autodiff::grads::Gradients;
use burn_autodiff::ops::{Backward, Ops, OpsKind};
use burn_flex::FlexTensor;

use crate::extension::Forked;
use crate::flex::{self, channels_last};

#[derive(Debug)]
struct Join;

impl Backward<Flex, 2> for Join {
    /// The output, which says where the ReLU was flat.
    type State = FlexTensor;

    fn backward(self, ops: Ops<FlexTensor, 2>, grads: &mut Gradients, _: &mut Checkpointer) {
        let g = grads.consume::<Flex>(&ops.node);
        let gradient = flex::add_relu_backward(ops.state, g);
        for node in ops.parents.into_iter().flatten() {
            grads.register::<Flex>(node.id, gradient.clone());
        }
    }
}

pub(super) fn join<C: CheckpointStrategy>(
    a: FloatTensor<Autodiff<Flex, C>>,
    b: FloatTensor<Autodiff<Flex, C>>,
) -> FloatTensor<Autodiff<Flex, C>> {
    let ((a, a_node), (b, b_node)) = (a.into_parts(), b.into_parts());
    let y = flex::add_relu(a, b);
    match Join.prepare::<C>([a_node, b_node]).compute_bound().stateful() {
        OpsKind::Tracked(prep) => prep.finish(y.clone(), y),
        OpsKind::UnTracked(prep) => prep.finish(y),
    }
}

#[derive(Debug)]
struct Sum;

impl Backward<Flex, 2> for Sum {
    type State = ();

    fn backward(self, ops: Ops<(), 2>, grads: &mut Gradients, _: &mut Checkpointer) {
        let g = grads.consume::<Flex>(&ops.node);
        for node in ops.parents.into_iter().flatten() {
            grads.register::<Flex>(node.id, g.clone());
        }
    }
}

pub(super) fn sum<C: CheckpointStrategy>(
    a: FloatTensor<Autodiff<Flex, C>>,
    b: FloatTensor<Autodiff<Flex, C>>,
) -> FloatTensor<Autodiff<Flex, C>> {
    let ((a, a_node), (b, b_node)) = (a.into_parts(), b.into_parts());
    let y = flex::add(a, b);
    match Sum.prepare::<C>([a_node, b_node]).compute_bound().stateful() {
        OpsKind::Tracked(prep) => prep.finish((), y),
        OpsKind::UnTracked(prep) => prep.finish(y),
    }
}

/// Whether the stem of a fork already has a gradient, in the backward pass under way.
#[derive(Clone, Debug, Default)]
struct Meeting(Arc<Mutex<bool>>);

impl Meeting {
    fn replace(&self, value: bool) -> bool {
        std::mem::replace(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner), value)
    }
}

/// Hands the gradient on that its two prongs have summed up.
#[derive(Debug)]
struct Stem;

impl Backward<Flex, 1> for Stem {
    type State = Meeting;

    fn backward(self, ops: Ops<Meeting, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        ops.state.replace(false);
        let g = grads.consume::<Flex>(&ops.node);
        let [Some(node)] = ops.parents else { return };
        grads.register::<Flex>(node.id, g);
    }
}

/// Leaves its gradient at the stem, added to that of the other prong when that came first.
#[derive(Debug)]
struct Prong;

impl Backward<Flex, 1> for Prong {
    type State = Meeting;

    fn backward(self, ops: Ops<Meeting, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let mut g = grads.consume::<Flex>(&ops.node);
        let [Some(stem)] = ops.parents else { return };
        if ops.state.replace(true) {
            g = flex::add(g, grads.consume::<Flex>(&stem));
        }
        grads.register::<Flex>(stem.id, g);
    }
}

pub(super) fn fork<C: CheckpointStrategy>(x: FloatTensor<Autodiff<Flex, C>>) -> Forked<Autodiff<Flex, C>> {
    let (x, node) = x.into_parts();
    let x = channels_last(x);
    let meeting = Meeting::default();
    let stem = match Stem.prepare::<C>([node]).compute_bound().stateful() {
        OpsKind::Tracked(prep) => prep.finish(meeting.clone(), x),
        OpsKind::UnTracked(prep) => prep.finish(x),
    };
    let prong = |stem: FloatTensor<Autodiff<Flex, C>>| {
        let (x, node) = stem.into_parts();
        match Prong.prepare::<C>([node]).compute_bound().stateful() {
            OpsKind::Tracked(prep) => prep.finish(meeting.clone(), x),
            OpsKind::UnTracked(prep) => prep.finish(x),
        }
    };
    Forked { branch: prong(stem.clone()), shortcut: prong(stem) }
}
