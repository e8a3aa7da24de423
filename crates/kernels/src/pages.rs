//! Large blocks of memory in huge pages, where Linux gives them to who asks (`transparent_hugepage=madvise`).
//!
//! A vector that goes through a model reads every page of it once: with pages of 4 KiB each is a miss of the address cache and an end of the hardware's prefetching.
//! Matrices are smaller than a huge page or not much larger, so they share regions of many: a block is a piece of a region, first fit.

use std::sync::{Mutex, PoisonError};

/// Bytes of a huge page, and of a region (more for a block that is larger).
const HUGE: usize = 2 << 20;
const REGION: usize = 32 << 20;
/// Where blocks begin: at a cache line.
const LINE: usize = 64;

static REGIONS: Mutex<Vec<Region>> = Mutex::new(Vec::new());

/// A block that belongs to its holder alone.
#[derive(Debug)]
pub(crate) struct Block {
    start: *mut u8,
    len: usize,
}

// SAFETY: a block is memory that nobody else refers to, as a boxed slice is.
unsafe impl Send for Block {}
// SAFETY: as above; `&Block` only reads.
unsafe impl Sync for Block {}

#[derive(Debug)]
struct Region {
    /// Where the mapping begins and how long it is.
    map: (usize, usize),
    /// First huge page and bytes from there.
    start: usize,
    len: usize,
    /// Pieces nobody holds, from..to, in order and never side by side.
    free: Vec<(usize, usize)>,
    /// From here on no byte was ever handed out: the kernel's zeros.
    fresh: usize,
}

impl Block {
    /// `len` (above 0) zeros, or nothing where there is no room.
    pub(crate) fn zeros(len: usize) -> Option<Self> {
        let room = len.checked_next_multiple_of(LINE)?;
        let mut regions = REGIONS.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = regions.iter_mut().find_map(|region| region.take(room));
        let (at, used) = if let Some(found) = taken {
            found
        } else {
            let mut region = Region::map(room)?;
            let found = region.take(room)?;
            regions.push(region);
            found
        };
        drop(regions);
        let start = at as *mut u8;
        // SAFETY: the first `used` bytes of the piece are mapped and now ours; what lies behind them was never written.
        unsafe { start.write_bytes(0, used) };
        Some(Block { start, len })
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        // SAFETY: `len` initialised bytes that live as long as the block, which nobody else refers to.
        unsafe { std::slice::from_raw_parts(self.start, self.len) }
    }

    pub(crate) fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: as in `bytes`; the block is borrowed exclusively.
        unsafe { std::slice::from_raw_parts_mut(self.start, self.len) }
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        let mut regions = REGIONS.lock().unwrap_or_else(PoisonError::into_inner);
        let at = self.start as usize;
        let found = regions.iter().position(|r| at >= r.start && at < r.start + r.len);
        let Some(i) = found else { return };
        regions[i].give_back(at, at + self.len.next_multiple_of(LINE));
        if regions[i].free == [(regions[i].start, regions[i].start + regions[i].len)] {
            regions.swap_remove(i).unmap();
        }
    }
}

impl Region {
    /// A mapping with room for `len` bytes from a huge page's beginning on.
    fn map(len: usize) -> Option<Self> {
        let len = len.checked_next_multiple_of(HUGE)?.max(REGION);
        let whole = len.checked_add(HUGE)?;
        let base = os::map(whole)?;
        let start = base.next_multiple_of(HUGE);
        os::ask_for_huge_pages(start, len);
        Some(Region {
            map: (base, whole),
            start,
            len,
            free: vec![(start, start + len)],
            fresh: start,
        })
    }

    /// Takes a piece: its address, and how many of its bytes may have been written before.
    fn take(&mut self, len: usize) -> Option<(usize, usize)> {
        let i = self.free.iter().position(|(from, to)| to - from >= len)?;
        let (from, to) = self.free[i];
        if to - from == len {
            self.free.remove(i);
        } else {
            self.free[i].0 += len;
        }
        let used = self.fresh.clamp(from, from + len) - from;
        self.fresh = self.fresh.max(from + len);
        Some((from, used))
    }

    fn give_back(&mut self, from: usize, to: usize) {
        let i = self.free.partition_point(|&(other, _)| other < from);
        self.free.insert(i, (from, to));
        if i + 1 < self.free.len() && self.free[i + 1].0 == to {
            self.free[i].1 = self.free.remove(i + 1).1;
        }
        if i > 0 && self.free[i - 1].1 == from {
            self.free[i - 1].1 = self.free.remove(i).1;
        }
    }

    fn unmap(self) {
        os::unmap(self.map.0, self.map.1);
    }
}

/// The three calls of the operating system, as the C library that Rust's own links has them.
mod os {
    use std::ffi::{c_int, c_void};

    unsafe extern "C" {
        fn mmap(
            at: *mut c_void,
            len: usize,
            protection: c_int,
            flags: c_int,
            file: c_int,
            offset: i64,
        ) -> *mut c_void;
        fn munmap(at: *mut c_void, len: usize) -> c_int;
        fn madvise(at: *mut c_void, len: usize, advice: c_int) -> c_int;
    }

    const READ_WRITE: c_int = 1 | 2;
    const PRIVATE_ANONYMOUS: c_int = 0x02 | 0x20;
    const HUGE_PAGE: c_int = 14;

    pub(super) fn map(len: usize) -> Option<usize> {
        // SAFETY: a new mapping of memory, of no file, wherever there is room.
        let at = unsafe { mmap(std::ptr::null_mut(), len, READ_WRITE, PRIVATE_ANONYMOUS, -1, 0) };
        (at as isize != -1).then_some(at as usize)
    }

    /// Advice that may be refused.
    pub(super) fn ask_for_huge_pages(at: usize, len: usize) {
        // SAFETY: changes no byte of the mapping that the caller made.
        unsafe { madvise(at as *mut c_void, len, HUGE_PAGE) };
    }

    pub(super) fn unmap(at: usize, len: usize) {
        // SAFETY: the mapping that the caller made, of which no block is left.
        unsafe { munmap(at as *mut c_void, len) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_zero_apart_from_each_other_and_given_back() {
        let mut state = 1u32;
        let mut next = |below: usize| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as usize % below
        };
        let mut held: Vec<(u8, Block)> = Vec::new();
        for step in 0..400 {
            if held.len() > 12 || (step > 300 && !held.is_empty()) {
                let (mark, block) = held.swap_remove(next(held.len()));
                assert!(block.bytes().iter().all(|&b| b == mark), "written by another");
            } else {
                let len = if next(20) == 0 { REGION + next(HUGE) } else { 1 + next(3 << 20) };
                let mut block = Block::zeros(len).unwrap();
                assert_eq!(block.bytes().len(), len);
                assert_eq!(block.bytes().as_ptr() as usize % LINE, 0);
                assert!(block.bytes().iter().all(|&b| b == 0));
                let mark = 1 + next(255) as u8;
                block.bytes_mut().fill(mark);
                held.push((mark, block));
            }
        }
        assert!(Block::zeros(usize::MAX).is_none() && Block::zeros(usize::MAX / 2).is_none());
    }

    #[test]
    fn a_region_joins_what_comes_back() {
        let mut region = Region { map: (0, 0), start: 0, len: 640, free: vec![(0, 640)], fresh: 0 };
        let pieces: Vec<_> = (0..4).map(|_| region.take(128).unwrap()).collect();
        assert_eq!(pieces, [(0, 0), (128, 0), (256, 0), (384, 0)]);
        region.give_back(128, 256);
        region.give_back(384, 512);
        assert_eq!(region.free, [(128, 256), (384, 640)]);
        assert_eq!(region.take(192), Some((384, 128)));
        region.give_back(0, 128);
        region.give_back(256, 384);
        region.give_back(384, 576);
        assert_eq!(region.free, [(0, 640)]);
        assert_eq!(region.take(704), None);
    }
}
