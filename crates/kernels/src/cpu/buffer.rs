//! Large buffers that are handed back to a pool rather than to the system.
//!
//! A training step frees and allocates the same few hundred megabytes again and again; fresh pages would be
//! faulted in and zeroed each time, which costs as much as a convolution. The pool keeps freed
//! buffers as long as they and the live ones together stay near the most that was ever live at once.

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::collections::BTreeMap;
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Alignment in bytes: one cache line, one AVX-512 register.
pub(crate) const ALIGN: usize = 64;
/// Alignment of pooled buffers that span several huge pages.
const HUGE_PAGE_BYTES: usize = 2 * 1024 * 1024;
/// Smaller buffers are left to the system's allocator, which recycles them well enough.
const SMALLEST_POOLED_BYTES: usize = 256 * 1024;
/// Sizes are rounded up to this, so that nearly equal ones serve each other.
const GRAIN_BYTES: usize = 64 * 1024;

/// Free and live blocks together may exceed the peak of the live ones by one part in this many: sizes differ between the phases
/// of a step, and a pool without slack would give back in one phase what the next one asks for.
const SLACK: usize = 2;

/// Memory that is always initialised, though to anything.
struct Block {
    start: NonNull<u8>,
    bytes: usize,
}

// SAFETY: a block is owned memory like that of a `Vec<u8>`.
unsafe impl Send for Block {}
// SAFETY: as above; shared references only read.
unsafe impl Sync for Block {}

impl Block {
    fn layout(bytes: usize) -> Layout {
        let align = if bytes >= 2 * HUGE_PAGE_BYTES { HUGE_PAGE_BYTES } else { ALIGN };
        Layout::from_size_align(bytes, align).expect("a buffer fits the address space")
    }

    fn zeroed(bytes: usize) -> Self {
        let layout = Self::layout(bytes);
        // SAFETY: the size is never zero; every byte is written before anything reads it.
        unsafe {
            let start = NonNull::new(alloc(layout)).unwrap_or_else(|| handle_alloc_error(layout));
            ask_for_huge_pages(start, layout);
            start.write_bytes(0, bytes);
            Self { start, bytes }
        }
    }
}

/// Large buffers on huge pages fault five hundred times less often.
fn ask_for_huge_pages(start: NonNull<u8>, layout: Layout) {
    #[cfg(target_os = "linux")]
    if layout.align() == HUGE_PAGE_BYTES {
        let whole_pages = layout.size() / HUGE_PAGE_BYTES * HUGE_PAGE_BYTES;
        // SAFETY: advice on pages that lie wholly in a fresh allocation; refusal changes nothing.
        unsafe { libc::madvise(start.as_ptr().cast(), whole_pages, libc::MADV_HUGEPAGE) };
    }
    #[cfg(not(target_os = "linux"))]
    let _ = (start, layout);
}

impl Drop for Block {
    fn drop(&mut self) {
        // SAFETY: allocated with this layout.
        unsafe { dealloc(self.start.as_ptr(), Self::layout(self.bytes)) };
    }
}

struct Pool {
    /// Free blocks by size, each with the time it was freed; later ones stand last.
    free: BTreeMap<usize, Vec<(u64, Block)>>,
    clock: u64,
    free_bytes: usize,
    live_bytes: usize,
    peak_bytes: usize,
}

static POOL: Mutex<Pool> =
    Mutex::new(Pool { free: BTreeMap::new(), clock: 0, free_bytes: 0, live_bytes: 0, peak_bytes: 0 });

impl Pool {
    fn lock() -> MutexGuard<'static, Pool> {
        // The counts are consistent between calls whatever a panicking thread was doing.
        POOL.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The most recently freed block of this size or up to a sixteenth larger.
    fn take(&mut self, bytes: usize) -> Option<Block> {
        let size = *self.free.range(bytes..=bytes + bytes / 16).next()?.0;
        let blocks = self.free.get_mut(&size)?;
        let block = blocks.pop();
        if blocks.is_empty() {
            self.free.remove(&size);
        }
        self.free_bytes -= size;
        block.map(|(_, block)| block)
    }

    fn put(&mut self, block: Block) {
        self.clock += 1;
        self.live_bytes -= block.bytes;
        self.free_bytes += block.bytes;
        self.free.entry(block.bytes).or_default().push((self.clock, block));
    }

    /// Takes free blocks out, longest unused first, until `bytes` more fit in the budget.
    fn make_room(&mut self, bytes: usize) -> Vec<Block> {
        let mut evicted = Vec::new();
        let budget = self.peak_bytes + self.peak_bytes / SLACK;
        while self.live_bytes + self.free_bytes + bytes > budget {
            let oldest = self.free.iter().min_by_key(|(_, blocks)| blocks[0].0).map(|(&size, _)| size);
            let Some(size) = oldest else { break };
            if let Some(blocks) = self.free.get_mut(&size) {
                evicted.push(blocks.remove(0).1);
                if blocks.is_empty() {
                    self.free.remove(&size);
                }
            }
            self.free_bytes -= size;
        }
        evicted
    }
}

/// A slice of `f32` from the pool. A new one holds arbitrary numbers.
pub(crate) struct Buffer {
    block: Option<Block>,
    len: usize,
}

impl Buffer {
    /// `len` floats, whatever they may be.
    pub(crate) fn new(len: usize) -> Self {
        let bytes = (len * size_of::<f32>()).next_multiple_of(ALIGN).max(ALIGN);
        if bytes < SMALLEST_POOLED_BYTES {
            return Self { block: Some(Block::zeroed(bytes)), len };
        }
        let bytes = bytes.next_multiple_of(GRAIN_BYTES);
        let mut pool = Pool::lock();
        let mut reused = pool.take(bytes);
        let evicted = if reused.is_none() { pool.make_room(bytes) } else { Vec::new() };
        pool.live_bytes += reused.as_ref().map_or(bytes, |block| block.bytes);
        pool.peak_bytes = pool.peak_bytes.max(pool.live_bytes);
        drop(pool);
        drop(evicted);
        let block = reused.take().unwrap_or_else(|| Block::zeroed(bytes));
        Self { block: Some(block), len }
    }

    /// The same memory as `i32`, which has the size and alignment of `f32` and takes any bits.
    pub(crate) fn as_indices_mut(&mut self) -> &mut [i32] {
        // SAFETY: the block holds `len` initialised words and is exclusively borrowed.
        unsafe { std::slice::from_raw_parts_mut(self.start().cast(), self.len) }
    }

    /// Where the floats begin: `len` of them, initialised, aligned to a cache line, there as long as the buffer.
    pub(crate) fn start(&self) -> *mut f32 {
        // A buffer only lacks its block while it is being dropped.
        self.block.as_ref().map_or(NonNull::<f32>::dangling().as_ptr(), |block| block.start.as_ptr().cast())
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let Some(block) = self.block.take() else { return };
        if block.bytes >= SMALLEST_POOLED_BYTES {
            Pool::lock().put(block);
        }
    }
}

impl Deref for Buffer {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        // SAFETY: the block holds `len` initialised floats, aligned to a cache line.
        unsafe { std::slice::from_raw_parts(self.start(), self.len) }
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [f32] {
        // SAFETY: as above, and exclusively borrowed.
        unsafe { std::slice::from_raw_parts_mut(self.start(), self.len) }
    }
}
