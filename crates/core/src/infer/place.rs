//! Places in an arena that is used again and again: the lowest gap that is large enough.

/// Elements that places are rounded up to: a cache line.
const LINE: usize = 16;

/// Free and used parts of an arena that may grow.
#[derive(Debug, Default)]
pub(super) struct Places {
    /// Gaps below `end`, by offset; no two touch.
    gaps: Vec<(usize, usize)>,
    end: usize,
}

impl Places {
    /// Takes room for `len` elements and returns where it begins.
    pub(super) fn take(&mut self, len: usize) -> usize {
        let len = len.next_multiple_of(LINE);
        if let Some(at) = self.gaps.iter().position(|&(_, size)| size >= len) {
            let (offset, size) = self.gaps[at];
            if size == len {
                self.gaps.remove(at);
            } else {
                self.gaps[at] = (offset + len, size - len);
            }
            return offset;
        }
        // A gap at the end grows instead of being left behind.
        let offset = match self.gaps.last() {
            Some(&(offset, size)) if offset + size == self.end => {
                self.gaps.pop();
                offset
            }
            _ => self.end,
        };
        self.end = offset + len;
        offset
    }

    /// Gives room back.
    pub(super) fn give(&mut self, offset: usize, len: usize) {
        let len = len.next_multiple_of(LINE);
        if len == 0 {
            return;
        }
        let at = self.gaps.partition_point(|&(o, _)| o < offset);
        self.gaps.insert(at, (offset, len));
        for i in [at + 1, at] {
            if i > 0
                && i < self.gaps.len()
                && self.gaps[i - 1].0 + self.gaps[i - 1].1 == self.gaps[i].0
            {
                self.gaps[i - 1].1 += self.gaps[i].1;
                self.gaps.remove(i);
            }
        }
    }

    /// Elements that were needed in all.
    pub(super) fn len(&self) -> usize {
        self.end
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_are_used_again_and_grow_together() {
        let mut p = Places::default();
        let (a, b, c) = (p.take(16), p.take(20), p.take(5));
        assert_eq!((a, b, c, p.len()), (0, 16, 48, 64));
        p.give(b, 20);
        assert_eq!(p.take(16), 16);
        p.give(16, 16);
        p.give(a, 16);
        assert_eq!(p.take(48), 0, "three gaps became one");
        p.give(c, 5);
        assert_eq!(p.take(32), 48, "the gap at the end grows");
        assert_eq!(p.len(), 80);
    }
}
