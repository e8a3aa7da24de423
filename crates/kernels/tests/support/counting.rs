//! An allocator that, while it is armed, remembers who allocated. For tests of what must not allocate, here and in other crates.

use std::alloc::{GlobalAlloc, Layout, System};
use std::backtrace::Backtrace;
use std::cell::Cell;
use std::sync::Mutex;

/// Make this the `#[global_allocator]`.
pub(crate) struct Counting;

static SEEN: Mutex<Vec<String>> = Mutex::new(Vec::new());

thread_local! {
    /// Set while this thread's allocations are counted. Other threads' are not: the test harness has some of its own.
    static ARMED: Cell<bool> = const { Cell::new(false) };
    /// Set while an allocation is being written down, which allocates.
    static WRITING: Cell<bool> = const { Cell::new(false) };
}

fn note() {
    if !ARMED.get() || WRITING.replace(true) {
        return;
    }
    let trace = Backtrace::force_capture().to_string();
    SEEN.lock().unwrap().push(trace);
    WRITING.set(false);
}

// SAFETY: every call goes to the system's allocator with the same arguments; writing down who calls does not touch the memory handed out.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note();
        // SAFETY: the caller's conditions.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: the caller's conditions; the memory came from the same allocator.
        unsafe { System.dealloc(memory, layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        note();
        // SAFETY: the caller's conditions; the memory came from the same allocator.
        unsafe { System.realloc(memory, layout, size) }
    }
}

/// Calls `f` and returns the call stack of every allocation that this thread makes meanwhile.
pub(crate) fn allocations_of(f: impl FnOnce()) -> Vec<String> {
    SEEN.lock().unwrap().clear();
    ARMED.set(true);
    f();
    ARMED.set(false);
    std::mem::take(&mut *SEEN.lock().unwrap())
}
