//! Memory brought near before it is walked across.

/// Reads one float of each cache line in the order of memory. Many kernels go down a map for some channels at a time, and
/// the processor fetches what lies ahead only for a reader that goes straight on. (Its instruction for fetching ahead does not
/// help: it is ignored while many are under way.)
///
/// # Safety
/// `len` floats must be readable, whatever they are.
#[inline(always)]
pub(crate) unsafe fn fetch(from: *const f32, len: usize) {
    let mut bits = [0; 4];
    for start in (0..len / 64 * 64).step_by(64) {
        for (line, bits) in bits.iter_mut().enumerate() {
            // SAFETY: within the floats that the caller vouches for.
            *bits |= unsafe { *from.add(start + 16 * line) }.to_bits();
        }
    }
    std::hint::black_box(bits);
}
