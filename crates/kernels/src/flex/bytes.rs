//! Buffers of the pool as the memory of Burn's tensors.
#![allow(unsafe_code)]

use std::mem::MaybeUninit;

use burn_std::{AccessError, AccessPolicy, AllocationController, AllocationProperty, Bytes};

use crate::cpu::buffer::{ALIGN, Buffer};

/// The buffer's memory for a tensor; it returns to the pool when the tensor goes.
pub(super) fn bytes_of(buffer: Buffer) -> Bytes {
    let bytes = size_of_val::<[f32]>(&buffer);
    // SAFETY: a buffer is initialised throughout and that long.
    unsafe { Bytes::from_controller(Box::new(Controller(buffer)), bytes) }
}

struct Controller(Buffer);

impl AllocationController for Controller {
    fn alloc_align(&self) -> usize {
        ALIGN
    }

    fn property(&self) -> AllocationProperty {
        AllocationProperty::Other
    }

    unsafe fn memory_mut(&mut self, _policy: AccessPolicy) -> Result<&mut [MaybeUninit<u8>], AccessError> {
        let bytes = size_of_val::<[f32]>(&self.0);
        // SAFETY: the buffer's own memory, exclusively borrowed.
        Ok(unsafe { std::slice::from_raw_parts_mut(self.0.start().cast(), bytes) })
    }

    fn memory(&self, _policy: AccessPolicy) -> Result<&[MaybeUninit<u8>], AccessError> {
        let bytes = size_of_val::<[f32]>(&self.0);
        // SAFETY: the buffer's own memory, borrowed.
        Ok(unsafe { std::slice::from_raw_parts(self.0.start().cast(), bytes) })
    }
}
