//! What follows a normalisation or a convolution, fused into the loop that stores its result.

use super::simd::Simd;

/// The function that every value of a map goes through before it is stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Activation {
    /// `y`
    #[default]
    None,
    /// `max(y, 0)`
    Relu,
    /// `min(max(y, 0), 6)`, of networks that are to be computed in few bits (MobileNet, EfficientNet-Lite).
    Relu6,
}

impl Activation {
    /// The activation of one value; NaN stays NaN.
    #[inline(always)]
    pub(crate) fn of(self, value: f32) -> f32 {
        let value = if self != Self::None && value < 0.0 { 0.0 } else { value };
        if self == Self::Relu6 && value > 6.0 { 6.0 } else { value }
    }

    /// As [`Activation::of`], of a vector.
    ///
    /// # Safety
    /// The processor supports the instruction set `S`.
    #[inline(always)]
    pub(crate) unsafe fn of_vector<S: Simd>(self, value: S::V) -> S::V {
        // SAFETY: handed on.
        unsafe {
            match self {
                Self::None => value,
                Self::Relu => S::relu(value),
                Self::Relu6 => S::at_most(S::relu(value), S::splat(6.0)),
            }
        }
    }

    /// The gradient with respect to the argument: `g` where the function was not flat, zero elsewhere and, as PyTorch
    /// has it, at the corners. `value` is the argument or the result: both say the same.
    ///
    /// # Safety
    /// The processor supports the instruction set `S`.
    #[inline(always)]
    pub(crate) unsafe fn gradient<S: Simd>(self, value: S::V, g: S::V) -> S::V {
        // SAFETY: handed on.
        unsafe {
            match self {
                Self::None => g,
                Self::Relu => S::where_positive(value, g),
                // A difference of floats is positive exactly where the first is the greater.
                Self::Relu6 => S::where_positive(value, S::where_positive(S::sub(S::splat(6.0), value), g)),
            }
        }
    }
}
