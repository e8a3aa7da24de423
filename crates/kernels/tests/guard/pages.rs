//! Slices beside pages that may not be touched, and a word about who touched one.

use std::cell::{Cell, RefCell};
use std::ffi::{c_int, c_void};
use std::ops::{Deref, DerefMut};
use std::ptr::null_mut;
use std::slice;

/// Where a slice meets the forbidden page.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Side {
    Start,
    End,
}

/// Bytes that a slice may have: a multiple of every page size in use.
const ROOM: usize = 1 << 18;

thread_local! {
    /// Regions that no slice uses at the moment. Mapping is what these tests would otherwise spend their time with.
    static FREE: RefCell<Vec<*mut u8>> = const { RefCell::new(Vec::new()) };
    /// What is being called.
    static CASE: RefCell<String> = const { RefCell::new(String::new()) };
    static WATCHED: Cell<bool> = const { Cell::new(false) };
}

fn page() -> usize {
    // SAFETY: asks for a number.
    usize::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).unwrap()
}

/// Maps a forbidden page, `ROOM` bytes and another forbidden page; returns where the room starts.
fn map() -> *mut u8 {
    let page = page();
    assert!(ROOM.is_multiple_of(page), "pages of {page} bytes");
    // SAFETY: a new private mapping at a place of the system's choice, of which the middle is then made accessible.
    unsafe {
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        let start = libc::mmap(null_mut(), ROOM + 2 * page, libc::PROT_NONE, flags, -1, 0);
        assert!(start != libc::MAP_FAILED, "mmap failed");
        let room = start.cast::<u8>().add(page);
        let opened = libc::mprotect(room.cast(), ROOM, libc::PROT_READ | libc::PROT_WRITE);
        assert!(opened == 0, "mprotect failed");
        room
    }
}

/// A slice with a forbidden page right before its first or right behind its last element.
pub(crate) struct Guarded<T> {
    room: *mut u8,
    start: *mut T,
    len: usize,
}

impl<T: Copy> Guarded<T> {
    pub(crate) fn new(side: Side, values: &[T]) -> Self {
        let (bytes, len) = (size_of_val(values), values.len());
        assert!(bytes <= ROOM, "{bytes} bytes are more than the room");
        let room = FREE.with_borrow_mut(Vec::pop).unwrap_or_else(map);
        let offset = match side {
            Side::Start => 0,
            Side::End => ROOM - bytes,
        };
        // SAFETY: offset + bytes <= ROOM; the room belongs to this slice alone, and both ends of it are multiples of T's alignment.
        let start = unsafe {
            let start = room.add(offset).cast::<T>();
            start.copy_from_nonoverlapping(values.as_ptr(), len);
            start
        };
        Guarded { room, start, len }
    }
}

impl<T> Deref for Guarded<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        // SAFETY: `new` wrote `len` elements there, and the room is this slice's.
        unsafe { slice::from_raw_parts(self.start, self.len) }
    }
}

impl<T> DerefMut for Guarded<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        // SAFETY: as above, borrowed mutably.
        unsafe { slice::from_raw_parts_mut(self.start, self.len) }
    }
}

impl<T> Drop for Guarded<T> {
    fn drop(&mut self) {
        FREE.with_borrow_mut(|free| free.push(self.room));
    }
}

/// Says which call is next, should it be the last one.
pub(crate) fn announce(case: String) {
    if !WATCHED.replace(true) {
        watch();
    }
    CASE.with_borrow_mut(|held| *held = case);
}

fn watch() {
    // SAFETY: `tell` takes the arguments of a handler with SA_SIGINFO unset, and all other fields may be zero.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = tell as *const c_void as usize;
        assert!(libc::sigaction(libc::SIGSEGV, &raw const action, null_mut()) == 0);
    }
}

/// Names the call that touched a forbidden page. The return from here repeats the access, which then ends the process.
extern "C" fn tell(_: c_int) {
    let say = |text: &str| {
        // SAFETY: the text has that many bytes; `write` and `signal` may be called in a handler.
        unsafe { libc::write(2, text.as_ptr().cast(), text.len()) };
    };
    say("\nmemory beyond a slice was touched: ");
    CASE.with_borrow(|case| say(case));
    say("\n");
    // SAFETY: as above.
    unsafe { libc::signal(libc::SIGSEGV, libc::SIG_DFL) };
}

/// The signal that ends a process which reads `slice` at `index`, or `None` when it does not end by one.
pub(crate) fn signal_of_reading(slice: &Guarded<u8>, index: isize) -> Option<c_int> {
    // SAFETY: the child calls only what may be called after `fork` in a process with threads; its read goes where it is told to, and if that
    // place is forbidden, the child alone is ended.
    unsafe {
        let child = libc::fork();
        assert!(child >= 0, "fork failed");
        if child == 0 {
            libc::signal(libc::SIGSEGV, libc::SIG_DFL);
            slice.start.offset(index).read_volatile();
            libc::_exit(0);
        }
        let mut status = 0;
        assert!(libc::waitpid(child, &raw mut status, 0) == child);
        libc::WIFSIGNALED(status).then(|| libc::WTERMSIG(status))
    }
}
