//! Numbers to test with, and what it means that two results agree.

use tritlens_kernels::{Kernels, available};

/// Twice the widest step of any kernel (64 bytes) and three, then lengths with several steps and rests.
fn lengths() -> impl Iterator<Item = usize> {
    (0..=131).chain([255, 256, 257, 1000, 4096 + 17])
}

/// xorshift; the same numbers on every machine.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11
    }

    pub(crate) fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }

    pub(crate) fn float(&mut self) -> f32 {
        ((self.next() % 2_000_001) as f32 - 1e6) / 1e6
    }
}

/// What the numbers of a case look like.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Data {
    /// Between -1 and 1.
    Plain,
    /// Between -1 and 1 times powers of two up to 2^40, so that the order of a sum shows.
    Wide,
    /// Zeros of both signs, infinities, NaN, subnormals, largest and half-way values among plain ones.
    Extreme,
}

pub(crate) const DATA: [Data; 3] = [Data::Plain, Data::Wide, Data::Extreme];

const EXTREMES: [f32; 16] = [
    0.0,
    -0.0,
    f32::INFINITY,
    f32::NEG_INFINITY,
    f32::NAN,
    f32::MAX,
    f32::MIN,
    f32::MIN_POSITIVE,
    1e-45,
    -1e-45,
    0.5,
    -0.5,
    1e-5,
    88.8,
    -87.4,
    -103.9,
];

impl Data {
    pub(crate) fn floats(self, random: &mut Random, len: usize) -> Vec<f32> {
        let one = |random: &mut Random| match self {
            Data::Wide => random.float() * 2f32.powi(random.below(60) as i32 - 20),
            Data::Extreme if random.below(4) == 0 => EXTREMES[random.below(EXTREMES.len())],
            Data::Plain | Data::Extreme => random.float(),
        };
        (0..len).map(|_| one(random)).collect()
    }
}

/// Results as comparable bits. NaN has no defined sign or payload (IEEE 754, 6.2), so all NaN are one.
#[derive(Default, PartialEq, Debug)]
pub(crate) struct Bits(Vec<u64>);

impl Bits {
    pub(crate) fn f32(mut self, x: &[f32]) -> Self {
        self.0.extend(x.iter().map(|x| u64::from(if x.is_nan() { u32::MAX } else { x.to_bits() })));
        self
    }

    pub(crate) fn f64(mut self, x: &[f64]) -> Self {
        self.0.extend(x.iter().map(|x| if x.is_nan() { u64::MAX } else { x.to_bits() }));
        self
    }

    pub(crate) fn i8(mut self, x: &[i8]) -> Self {
        self.0.extend(x.iter().map(|&x| x as u64));
        self
    }

    pub(crate) fn i32s(mut self, x: &[i32]) -> Self {
        self.0.extend(x.iter().map(|&x| u64::from(x as u32)));
        self
    }

    pub(crate) fn int(mut self, x: u64) -> Self {
        self.0.push(x);
        self
    }
}

/// Runs a case on every table and compares with the scalar one.
pub(crate) fn agree(case: &str, run: impl Fn(&Kernels) -> Bits) {
    let (scalar, others) = available().split_last().unwrap();
    assert_eq!(scalar.name, "scalar");
    let expected = run(scalar);
    for table in others {
        assert_eq!(run(table), expected, "{} differs from scalar: {case}", table.name);
    }
}

/// Every length at several alignments, with every kind of data. `run` gets a random source of its own, so each table sees the same numbers.
pub(crate) fn for_all(name: &str, run: impl Fn(&Kernels, Data, usize, &mut Random) -> Bits) {
    for data in DATA {
        for len in lengths() {
            agree(&format!("{name}, {data:?}, length {len}"), |table| {
                run(table, data, len, &mut Random(len as u64 * 977 + 5))
            });
        }
    }
}
