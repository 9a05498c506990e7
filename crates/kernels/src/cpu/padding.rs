//! The zeros around a map.

/// How many zeros stand around the input of a convolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Padding {
    /// As many on every side.
    Even(usize),
    /// TensorFlow's "SAME": as few as give `ceil(length / stride)` outputs, the odd one behind.
    Same,
}

impl Padding {
    /// Outputs along a side of `length` values, or nothing when the kernel does not fit.
    pub(crate) fn outputs(self, length: usize, kernel: usize, stride: usize) -> Option<usize> {
        match self {
            Self::Even(zeros) => Some((length + 2 * zeros).checked_sub(kernel)?.checked_div(stride)? + 1),
            Self::Same => (stride > 0 && length > 0).then(|| length.div_ceil(stride)),
        }
    }

    /// Zeros before and behind a side of `length` values.
    pub(crate) fn zeros(self, length: usize, kernel: usize, stride: usize) -> [usize; 2] {
        match self {
            Self::Even(zeros) => [zeros; 2],
            Self::Same => {
                let last = length.div_ceil(stride).saturating_sub(1) * stride;
                let total = (last + kernel).saturating_sub(length);
                [total / 2, total - total / 2]
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Padding::{Even, Same};

    #[test]
    fn same_padding_is_that_of_tensorflow() {
        // Length, kernel, stride; outputs and zeros as tf.nn.conv2d has them.
        for (length, kernel, stride, outputs, zeros) in [
            (224, 3, 2, 112, [0, 1]),
            (112, 3, 1, 112, [1, 1]),
            (56, 5, 2, 28, [1, 2]),
            (7, 5, 2, 4, [2, 2]),
            (1, 5, 1, 1, [2, 2]),
            (2, 5, 2, 1, [1, 2]),
            (8, 1, 2, 4, [0, 0]),
        ] {
            assert_eq!(Same.outputs(length, kernel, stride), Some(outputs), "{length} {kernel} {stride}");
            assert_eq!(Same.zeros(length, kernel, stride), zeros, "{length} {kernel} {stride}");
        }
    }

    #[test]
    fn a_kernel_wider_than_the_padded_map_has_no_outputs() {
        assert_eq!(Even(1).outputs(2, 5, 1), None);
        assert_eq!(Even(1).outputs(3, 5, 1), Some(1));
    }
}
