//! An allocator that knows how many bytes are held, and how many were at most. For tests of what must not hold more than it says, here and in other crates.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

/// Make this the `#[global_allocator]`, in a program with a single test.
pub(crate) struct Peak;

static HELD: AtomicUsize = AtomicUsize::new(0);
static MOST: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call goes to the system's allocator with the same arguments; counting does not touch the memory handed out.
unsafe impl GlobalAlloc for Peak {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let held = HELD.fetch_add(layout.size(), Ordering::Relaxed) + layout.size();
        MOST.fetch_max(held, Ordering::Relaxed);
        // SAFETY: the caller's conditions.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        HELD.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's conditions; the memory came from the same allocator.
        unsafe { System.dealloc(memory, layout) }
    }
}

/// Calls `f`; returns its result, and the bytes held at the end and at most, beyond those that were held before.
pub(crate) fn bytes_of<T>(f: impl FnOnce() -> T) -> (T, usize, usize) {
    let before = HELD.load(Ordering::Relaxed);
    MOST.store(before, Ordering::Relaxed);
    let result = f();
    let held = HELD.load(Ordering::Relaxed) - before;
    (result, held, MOST.load(Ordering::Relaxed) - before)
}
