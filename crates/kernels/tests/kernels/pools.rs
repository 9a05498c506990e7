//! Pooling and unpooling: exact, because they only move numbers.

use burn::tensor::{Int, Tensor};
use proptest::prelude::*;
use sporeprint_kernels::{max_pool2x2, max_pool3x3s2, max_unpool2x2};

use crate::reference::{assert_close, device, numbers, tensor, values};

/// Values, places and the gradient of a pooling by definition.
fn pooled(
    x: &[f32],
    shape: [usize; 4],
    windows: impl Fn(usize, usize) -> Vec<usize>,
    out: [usize; 2],
) -> (Vec<f32>, Vec<usize>) {
    let (mut best, mut places) = (Vec::new(), Vec::new());
    for plane in x.chunks_exact(shape[2] * shape[3]) {
        for (i, j) in (0..out[0]).flat_map(|i| (0..out[1]).map(move |j| (i, j))) {
            let window = windows(i, j);
            let place =
                window.iter().copied().fold(window[0], |best, at| if plane[at] > plane[best] { at } else { best });
            best.push(plane[place]);
            places.push(place);
        }
    }
    (best, places)
}

fn scattered(g: &[f32], places: &[usize], plane: usize, per_plane: usize) -> Vec<f64> {
    let mut dx = vec![0.0; g.len() / per_plane * plane];
    for (at, (&g, &place)) in g.iter().zip(places).enumerate() {
        dx[at / per_plane * plane + place] += f64::from(g);
    }
    dx
}

/// Numbers with many ties.
fn coarse(seed: u64, len: usize) -> Vec<f32> {
    numbers(seed, len).iter().map(|x| (x * 3.0).round()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(30))]
    #[test]
    fn pooling_and_unpooling_follow_their_definition(
        batch in 1usize..3, channels in 1usize..40, height in 2usize..11, width in 2usize..11,
    ) {
        let device = device();
        let shape = [batch, channels, height, width];
        let x = coarse(1, shape.iter().product());
        let out = [height / 2, width / 2];
        let window = |i: usize, j: usize| {
            let at = 2 * i * width + 2 * j;
            vec![at, at + 1, at + width, at + width + 1]
        };
        let (best, places) = pooled(&x, shape, window, out);
        let x = tensor(&x, shape, &device).require_grad();
        let (y, indices) = max_pool2x2(x.clone());
        let small = [batch, channels, out[0], out[1]];
        let g = numbers(2, best.len());
        let grads = (y.clone() * tensor(&g, small, &device)).sum().backward();
        prop_assert_eq!(values(y.inner()), best);
        let found: Vec<usize> = indices.clone().into_data().iter::<i64>().map(|i| i as usize).collect();
        prop_assert_eq!(&found, &places);
        let per_plane = out[0] * out[1];
        let dx = scattered(&g, &places, height * width, per_plane);
        assert_close("gradient", &values(x.grad(&grads).unwrap()), &dx, 1e-6);
        if height % 2 == 0 && width % 2 == 0 {
            let z = tensor(&g, small, &device).require_grad();
            let y = max_unpool2x2(z.clone(), indices);
            let back = numbers(3, shape.iter().product());
            let grads = (y.clone() * tensor(&back, shape, &device)).sum().backward();
            assert_close("unpooled", &values(y.inner()), &dx, 1e-6);
            let gathered: Vec<f32> = places.iter().enumerate()
                .map(|(at, place)| back[at / per_plane * height * width + place]).collect();
            prop_assert_eq!(values(z.grad(&grads).unwrap()), gathered);
        }
    }

    #[test]
    fn the_resnet_pooling_follows_its_definition(
        batch in 1usize..3, channels in 1usize..40, height in 1usize..11, width in 1usize..11,
    ) {
        let device = device();
        let shape = [batch, channels, height, width];
        let x = coarse(1, shape.iter().product());
        let out = [height.div_ceil(2), width.div_ceil(2)];
        let window = |i: usize, j: usize| {
            let near = |at: usize, length: usize| (2 * at).saturating_sub(1)..length.min(2 * at + 2);
            near(i, height).flat_map(|row| near(j, width).map(move |column| row * width + column)).collect()
        };
        let (best, places) = pooled(&x, shape, window, out);
        let x = tensor(&x, shape, &device).require_grad();
        let y = max_pool3x3s2(x.clone());
        let g = numbers(2, best.len());
        let grads = (y.clone() * tensor(&g, y.dims(), &device)).sum().backward();
        prop_assert_eq!(values(y.inner()), best);
        let dx = scattered(&g, &places, height * width, out[0] * out[1]);
        assert_close("gradient", &values(x.grad(&grads).unwrap()), &dx, 1e-6);
    }
}

#[test]
fn nan_wins_every_maximum() {
    let x = tensor(&[1.0, f32::NAN, 2.0, 3.0], [1, 1, 2, 2], &device());
    let (y, indices) = max_pool2x2(x);
    assert!(values(y)[0].is_nan());
    assert_eq!(indices.into_data().iter::<i64>().collect::<Vec<_>>(), [1]);
}

#[test]
fn indices_of_another_type_and_outside_their_window_are_taken() {
    let device = device();
    let indices = Tensor::<4, Int>::from_data([[[[15i64, 0]]]], &device);
    let y = max_unpool2x2(tensor(&[5.0, 6.0], [1, 1, 1, 2], &device), indices % 8);
    assert_eq!(values(y), [6.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 5.0]);
}
