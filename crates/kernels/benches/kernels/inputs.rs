//! Numbers to compute with: the same on every machine, and random enough that no branch predictor or sparse case is flattered.

use std::sync::{Arc, Weak};

use tritlens_kernels::{AlignedBytes, Format, PackedRows, decode, pack, place, quads, row_bytes};

/// Splitmix64.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }
}

/// Numbers in [-1, 1).
pub(crate) fn floats(len: usize) -> Vec<f32> {
    let mut random = Random(7);
    (0..len).map(|_| (random.next() >> 40) as f32 / (1_u32 << 23) as f32 - 1.0).collect()
}

/// Codes in -127..=127, as an absolute-maximum quantiser makes them.
pub(crate) fn activations(len: usize) -> Vec<i8> {
    let mut random = Random(11);
    (0..len)
        .map(|_| (random.next() % 255) as i16 as u8 as i8)
        .map(|x| if x == -128 { 127 } else { x })
        .collect()
}

/// A copy that begins at a cache line, as a packed layer keeps its weights.
pub(crate) fn aligned(bytes: &[u8]) -> AlignedBytes {
    let mut copy = AlignedBytes::zeros(bytes.len());
    copy.copy_from_slice(bytes);
    copy
}

/// Which weights a case needs.
#[derive(Clone, Copy, PartialEq)]
pub(crate) struct Wanted {
    pub(crate) format: Format,
    pub(crate) rows: usize,
    pub(crate) cols: usize,
    /// Bytes that the matrices take together: 0 for one matrix.
    pub(crate) ring: usize,
}

/// Packed matrices one behind the other; a run takes the next one, so that a ring larger than the caches comes from memory every time.
pub(crate) struct Weights {
    wanted: Wanted,
    bytes: AlignedBytes,
    /// In WebAssembly: the same matrices as its products want them, and the sums of rows (`kernels::quads`).
    quads: Option<(AlignedBytes, Vec<i32>)>,
    pub(crate) matrices: usize,
}

impl Weights {
    fn new(wanted: Wanted) -> Self {
        let Wanted { format, rows, cols, ring } = wanted;
        let mut random = Random(3);
        let mut code = || match format {
            Format::Binary => 2 * random.below(2) as i8 - 1,
            _ => random.below(3) as i8 - 1,
        };
        let codes: Vec<i8> = (0..rows * cols).map(|_| code()).collect();
        let mut one = vec![0; rows * row_bytes(format, cols)];
        pack(format, &codes, rows, cols, &mut one).expect("codes of the format");
        let matrices = ring.div_ceil(one.len()).max(1);
        // All matrices are equal, so that every run has the same answer; what is measured is where the bytes come from.
        let quads = cfg!(target_arch = "wasm32").then(|| {
            let (mut quad, mut sums) = (vec![0; quads::bytes(rows, cols)], vec![0; rows]);
            quads::repack(PackedRows::whole(format, &one, rows, cols), &mut quad, &mut sums)
                .expect("codes");
            (aligned(&quad.repeat(matrices)), sums)
        });
        Weights { wanted, bytes: aligned(&one.repeat(matrices)), quads, matrices }
    }

    /// Matrix `turn` as WebAssembly's products want it.
    pub(crate) fn quads(&self, turn: usize) -> Option<(&[u8], &[i32])> {
        let (bytes, sums) = self.quads.as_ref()?;
        let len = bytes.len() / self.matrices;
        Some((&bytes[turn % self.matrices * len..][..len], sums))
    }

    /// Rows `first..first + rows` of matrix `turn`.
    pub(crate) fn rows(&self, turn: usize, first: usize, rows: usize) -> &[u8] {
        let width = row_bytes(self.wanted.format, self.wanted.cols);
        let start = (turn % self.matrices * self.wanted.rows + first) * width;
        &self.bytes[start..][..rows * width]
    }

    /// The codes of one row.
    pub(crate) fn codes(&self, row: usize) -> impl Iterator<Item = i8> + '_ {
        let format = self.wanted.format;
        let bytes = self.rows(0, row, 1);
        (0..self.wanted.cols).map(move |element| {
            let (byte, digit) = place(format, element);
            decode(format, bytes[byte], digit).expect("a packed code")
        })
    }
}

/// Weights in use, so that cases of different tables and threads share them.
#[derive(Default)]
pub(crate) struct Store(Vec<Weak<Weights>>);

impl Store {
    pub(crate) fn get(&mut self, wanted: Wanted) -> Arc<Weights> {
        self.0.retain(|known| known.strong_count() > 0);
        let found = self.0.iter().filter_map(Weak::upgrade).find(|known| known.wanted == wanted);
        found.unwrap_or_else(|| {
            let made = Arc::new(Weights::new(wanted));
            self.0.push(Arc::downgrade(&made));
            made
        })
    }
}
