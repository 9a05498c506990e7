//! Threads and the memory they scratch in.
//!
//! Work is cut into pieces by the shape of the problem alone, so results are the same for any number of
//! threads; which thread takes a piece never matters.

use std::cell::RefCell;

use rayon::prelude::*;

/// A pointer that may cross threads; whoever follows it vouches that threads touch different places.
#[derive(Clone, Copy)]
pub(crate) struct Shared(*mut f32);

// SAFETY: the pointer itself is plain data; following it is unsafe and justified where that happens.
unsafe impl Send for Shared {}
// SAFETY: as above.
unsafe impl Sync for Shared {}

impl Shared {
    pub(crate) fn new(slice: &mut [f32]) -> Self {
        Self(slice.as_mut_ptr())
    }

    pub(crate) fn ptr(self) -> *mut f32 {
        self.0
    }
}

/// Runs `work` for every piece number below `pieces`, in any order, on any thread.
pub(crate) fn for_each_piece(pieces: usize, work: impl Fn(usize) + Send + Sync) {
    if pieces == 1 || rayon::current_num_threads() == 1 {
        (0..pieces).for_each(work);
    } else {
        (0..pieces).into_par_iter().with_max_len(1).for_each(work);
    }
}

thread_local! {
    static SCRATCH: RefCell<Vec<Line>> = const { RefCell::new(Vec::new()) };
}

/// One cache line, so that scratch starts on a boundary of one.
#[derive(Clone, Copy)]
#[repr(align(64))]
struct Line(#[expect(dead_code, reason = "only its address is used")] [f32; 16]);

/// Lends `work` this thread's scratch memory, `len` floats with arbitrary contents.
///
/// The memory grows to the largest request and is reused. `work` must not ask for scratch again.
pub(crate) fn with_scratch<R>(len: usize, work: impl FnOnce(&mut [f32]) -> R) -> R {
    SCRATCH.with_borrow_mut(|lines| {
        let needed = len.div_ceil(16);
        if lines.len() < needed {
            lines.resize(needed, Line([0.0; 16]));
        }
        // SAFETY: the lines are initialised floats, sixteen each, and borrowed for the whole call.
        work(unsafe { std::slice::from_raw_parts_mut(lines.as_mut_ptr().cast(), len) })
    })
}
