//! Single layers and the optimiser.

use burn::module::Param;
use burn::tensor::{DType, Int, Tensor};
use sporeprint::config::{LearningRate, Schedule, SgdConfig};
use sporeprint::train::Sgd;
use sporeprint_kernels as kernels;

use crate::fixture::Fixture;
use crate::{check, floats};

fn pooling(numbers: DType) {
    let fixture = Fixture::read("maxpool_unpool.json", numbers);
    let x = fixture.tensor::<4>("x").require_grad();
    let (y, indices): (Tensor<4>, Tensor<4, Int>) = kernels::max_pool2x2(x.clone());
    let unpooled = kernels::max_unpool2x2(y.clone(), indices.clone());
    let gradients = (unpooled.clone() * fixture.tensor("upstream")).sum().backward();
    fixture.check("y", y);
    fixture.check("unpooled", unpooled);
    let indices: Vec<f32> = indices.into_data().convert::<f32>().try_into_vec().expect("converted just before");
    assert_eq!(indices, fixture.floats("indices"));
    fixture.check("grad_x", x.grad(&gradients).expect("x requires it"));
}

fn transposed_convolution(numbers: DType) {
    let fixture = Fixture::read("conv_transpose.json", numbers);
    let [x, weight] = ["x", "w"].map(|name| fixture.tensor::<4>(name).require_grad());
    let bias = fixture.tensor::<1>("b").require_grad();
    let y = kernels::conv_transpose3x3(x.clone(), weight.clone(), Some(bias.clone()));
    let gradients = (y.clone() * fixture.tensor("upstream")).sum().backward();
    fixture.check("y", y);
    fixture.check("grad_x", x.grad(&gradients).expect("x requires it"));
    fixture.check("grad_w", weight.grad(&gradients).expect("the weight requires it"));
    fixture.check("grad_b", bias.grad(&gradients).expect("the bias requires it"));
}

fn sgd(numbers: DType) {
    let fixture = Fixture::read("sgd_steplr.json", numbers);
    let config = SgdConfig { momentum: fixture.number("momentum"), weight_decay: fixture.number("weight_decay") };
    let schedule = Schedule::Step { every: fixture.number("step"), factor: fixture.number("gamma") };
    let rate = LearningRate { base: fixture.number("lr"), warm_up: 0.0, schedule };
    let (gradients, params, rates) =
        (fixture.tensor::<2>("grads"), fixture.tensor::<2>("params"), fixture.floats("lrs"));
    let mut sgd = Sgd::new(config);
    let mut param = Param::from_tensor(fixture.tensor::<1>("p0"));
    for (step, expected) in rates.into_iter().enumerate() {
        let lr = rate.at(step as f64);
        assert!((lr - f64::from(expected)).abs() <= 1e-8, "step {step}: {lr}, expected {expected}");
        let row = gradients.clone().narrow(0, step, 1).flatten::<1>(0, 1);
        let mut gradient = (param.val() * row).sum().backward();
        param = sgd.step(param, &mut gradient, lr);
        let expected = params.clone().narrow(0, step, 1).flatten::<1>(0, 1);
        check(&format!("step {step}"), &floats(param.val(), numbers), &floats(expected, numbers));
    }
}

on_both_paths!(pooling_indices_unpooling_and_their_gradient_are_pytorchs, pooling);
on_both_paths!(a_transposed_convolution_and_its_gradients_are_pytorchs, transposed_convolution);
on_both_paths!(sgd_under_a_step_schedule_is_pytorchs, sgd);
