//! Bytes that begin at a cache line: a load of 64 bytes that straddles two lines is two loads.

use std::alloc::{Layout, alloc_zeroed};

#[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
use crate::pages::Block;

/// Bytes of a cache line.
const LINE: usize = 64;
/// Blocks from this size on come from huge pages, where there are any.
#[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
const LARGE: usize = 256 << 10;

/// A block of bytes that begins at a multiple of 64. Made for packed weights and what products prepare; any slice works as well, only slower.
#[derive(Debug)]
pub struct AlignedBytes {
    room: Room,
    start: usize,
    len: usize,
}

#[derive(Debug)]
enum Room {
    Own(Box<[u8]>),
    #[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
    Pages(Block),
}

impl AlignedBytes {
    /// `len` zeros; `None` where there is no room for them.
    pub fn try_zeros(len: usize) -> Option<Self> {
        #[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
        if len >= LARGE {
            return Some(AlignedBytes { room: Room::Pages(Block::zeros(len)?), start: 0, len });
        }
        let room = zeros(len.checked_add(LINE - 1)?)?;
        let start = room.as_ptr().align_offset(LINE);
        // On a machine that cannot say (none is known) the bytes just begin where they begin.
        let start = if start < LINE { start } else { 0 };
        Some(AlignedBytes { room: Room::Own(room), start, len })
    }

    /// `len` zeros.
    ///
    /// # Panics
    /// Where there is no room for them, as `vec!` does.
    pub fn zeros(len: usize) -> Self {
        Self::try_zeros(len).unwrap_or_else(|| panic!("no room for {len} bytes"))
    }
}

/// `len` (above 0) zeros from the allocator: large ones are pages that cost nothing until they are written, where `Vec::resize` would write them once more.
fn zeros(len: usize) -> Option<Box<[u8]>> {
    let layout = Layout::array::<u8>(len).ok()?;
    // SAFETY: the layout is not empty. The memory, if there is any, has `len` bytes of alignment 1 that are zero, from the global allocator, which is what a
    // box of that length takes over.
    unsafe {
        let start = alloc_zeroed(layout);
        (!start.is_null()).then(|| Box::from_raw(std::ptr::slice_from_raw_parts_mut(start, len)))
    }
}

impl Default for AlignedBytes {
    fn default() -> Self {
        AlignedBytes { room: Room::Own(Box::default()), start: 0, len: 0 }
    }
}

/// Not derived: a copy of the room begins at another place in its line.
impl Clone for AlignedBytes {
    fn clone(&self) -> Self {
        let mut copy = Self::zeros(self.len);
        copy.copy_from_slice(self);
        copy
    }
}

impl std::ops::Deref for AlignedBytes {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        let room = match &self.room {
            Room::Own(room) => &room[..],
            #[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
            Room::Pages(block) => block.bytes(),
        };
        &room[self.start..self.start + self.len]
    }
}

impl std::ops::DerefMut for AlignedBytes {
    #[inline]
    fn deref_mut(&mut self) -> &mut [u8] {
        let room = match &mut self.room {
            Room::Own(room) => &mut room[..],
            #[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
            Room::Pages(block) => block.bytes_mut(),
        };
        &mut room[self.start..self.start + self.len]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn begin_at_a_line_and_are_zero() {
        for len in [0, 1, 63, 64, 1000] {
            let mut bytes = AlignedBytes::zeros(len);
            assert_eq!((bytes.len(), bytes.as_ptr() as usize % LINE), (len, 0));
            assert!(bytes.iter().all(|&b| b == 0));
            bytes.fill(7);
            let copy = bytes.clone();
            assert_eq!((copy.as_ptr() as usize % LINE, &copy[..]), (0, &vec![7; len][..]));
        }
        assert!(AlignedBytes::try_zeros(usize::MAX).is_none());
    }
}
