//! SGD against PyTorch's formula.

use sporeprint_kernels::sgd_step;

use crate::reference::{assert_close, numbers, tensor, values};

#[test]
fn three_steps_follow_the_formula_whether_or_not_memory_is_shared() {
    let device = burn::tensor::Device::flex();
    let len = 100_003;
    let (lr, momentum, decay) = (0.1, 0.9, 0.01);
    let start = numbers(1, len);
    let mut p: Vec<f64> = start.iter().map(|&p| f64::from(p)).collect();
    let mut buf: Option<Vec<f64>> = None;
    let mut param = tensor(&start, [len], &device);
    let mut momentum_buffer = None;
    for step in 0..3 {
        let grad = numbers(2 + step, len);
        let g: Vec<f64> = grad.iter().zip(&p).map(|(&g, p)| f64::from(g) + decay * p).collect();
        let new: Vec<f64> = match &buf {
            Some(buf) => buf.iter().zip(&g).map(|(b, g)| momentum * b + g).collect(),
            None => g,
        };
        p.iter_mut().zip(&new).for_each(|(p, b)| *p -= lr * b);
        buf = Some(new);
        let kept = (step == 1).then(|| (param.clone(), values(param.clone())));
        let grad = tensor(&grad, [len], &device);
        let (next, next_buffer) = sgd_step(param, grad, momentum_buffer, lr, momentum, decay);
        if let Some((tensor, before)) = kept {
            assert_eq!(values(tensor), before, "a tensor that somebody holds stays as it was");
        }
        (param, momentum_buffer) = (next, Some(next_buffer));
    }
    assert_close("parameter", &values(param), &p, 1e-6);
    assert_close("buffer", &values(momentum_buffer.unwrap()), &buf.unwrap(), 1e-6);
}
