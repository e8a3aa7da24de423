//! Every table equals the scalar one, bit for bit, f32 and f64 included. The tests walk `available()`: a new instruction set is tested by existing.
//!
//! `examples/agree.rs` runs the same functions where there is no test harness, which is how WebAssembly is tested.

use tritlens_kernels::{AdamHyper, Format, Kernels, available, isa, pack, row_bytes};

/// Twice the widest step of any kernel (64 bytes) and three, then lengths with several steps and rests.
fn lengths() -> impl Iterator<Item = usize> {
    (0..=131).chain([255, 256, 257, 1000, 4096 + 17])
}

/// xorshift; the same numbers on every machine.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11
    }

    fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }

    fn float(&mut self) -> f32 {
        ((self.next() % 2_000_001) as f32 - 1e6) / 1e6
    }
}

/// What the numbers of a case look like.
#[derive(Clone, Copy, Debug)]
enum Data {
    /// Between -1 and 1.
    Plain,
    /// Between -1 and 1 times powers of two up to 2^40, so that the order of a sum shows.
    Wide,
    /// Zeros of both signs, infinities, NaN, subnormals, largest and half-way values among plain ones.
    Extreme,
}

const DATA: [Data; 3] = [Data::Plain, Data::Wide, Data::Extreme];

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
    fn floats(self, random: &mut Random, len: usize) -> Vec<f32> {
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
struct Bits(Vec<u64>);

impl Bits {
    fn f32(mut self, x: &[f32]) -> Self {
        self.0.extend(x.iter().map(|x| u64::from(if x.is_nan() { u32::MAX } else { x.to_bits() })));
        self
    }

    fn f64(mut self, x: &[f64]) -> Self {
        self.0.extend(x.iter().map(|x| if x.is_nan() { u64::MAX } else { x.to_bits() }));
        self
    }

    fn i8(mut self, x: &[i8]) -> Self {
        self.0.extend(x.iter().map(|&x| x as u64));
        self
    }

    fn int(mut self, x: u64) -> Self {
        self.0.push(x);
        self
    }
}

/// Runs a case on every table and compares with the scalar one.
fn agree(case: &str, run: impl Fn(&Kernels) -> Bits) {
    let (scalar, others) = available().split_last().unwrap();
    assert_eq!(scalar.name, "scalar");
    let expected = run(scalar);
    for table in others {
        assert_eq!(run(table), expected, "{} differs from scalar: {case}", table.name);
    }
}

/// Every length at several alignments, with every kind of data. `run` gets a random source of its own, so each table sees the same numbers.
fn for_all(name: &str, run: impl Fn(&Kernels, Data, usize, &mut Random) -> Bits) {
    for data in DATA {
        for len in lengths() {
            agree(&format!("{name}, {data:?}, length {len}"), |table| {
                run(table, data, len, &mut Random(len as u64 * 977 + 5))
            });
        }
    }
}

/// The kernel sees slices that start at each of 16 places relative to a vector.
fn shifted(x: &[f32], by: usize) -> Vec<f32> {
    let mut out = vec![9.0; by];
    out.extend_from_slice(x);
    out
}

/// Names of the tables that are compared.
pub(crate) fn tables() -> Vec<&'static str> {
    available().iter().map(|table| table.name).collect()
}

/// The list that ran is the list this machine should run.
#[cfg_attr(test, test)]
pub(crate) fn the_expected_tables_run() {
    let names = tables();
    eprintln!("tables compared with scalar: {names:?}; selected: {}", isa());
    let mut expected: Vec<&str> = Vec::new();
    #[cfg(target_arch = "x86_64")]
    {
        let avx2 = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
        let vnni = is_x86_feature_detected!("avx512vnni") && is_x86_feature_detected!("avx512vl");
        let bw = is_x86_feature_detected!("avx512bw") && is_x86_feature_detected!("avx512f");
        expected.extend((avx2 && vnni && bw).then_some("avx512"));
        expected.extend(avx2.then_some("avx2"));
    }
    #[cfg(target_arch = "aarch64")]
    expected.push("neon");
    #[cfg(target_arch = "wasm32")]
    expected.push("simd128");
    expected.push("scalar");
    assert_eq!(names, expected);
    let wanted = std::env::var("TRITLENS_ISA").unwrap_or_else(|_| names[0].to_owned());
    assert_eq!(isa(), wanted);
}

#[cfg_attr(test, test)]
pub(crate) fn elementwise() {
    for_all("elementwise", |table, data, len, random| {
        let (x, y) = (data.floats(random, len), data.floats(random, len));
        let a = data.floats(random, 1)[0];
        let mut results = Bits::default();
        for kernel in 0..5 {
            let mut out = y.clone();
            match kernel {
                0 => table.add(&x, &mut out),
                1 => table.axpy(a, &x, &mut out),
                2 => table.scale_add(a, &x, &mut out),
                3 => table.scale_in_place(a, &mut out),
                _ => table.relu(&x, &mut out),
            }
            results = results.f32(&out);
        }
        let mut dx = data.floats(random, len);
        table.relu_back(&x, &y, &mut dx);
        results.f32(&dx)
    });
}

#[cfg_attr(test, test)]
pub(crate) fn reductions() {
    for_all("reductions", |table, data, len, random| {
        let (x, y) = (data.floats(random, len), data.floats(random, len));
        Bits::default().f32(&[table.dot(&x, &y), table.max_abs(&x)]).f64(&[
            table.sum(&x),
            table.sum_abs(&x),
            table.sum_sq(&x),
        ])
    });
}

/// Rows that repeat included: their additions must happen in order.
#[cfg_attr(test, test)]
pub(crate) fn mixed_rows() {
    for_all("mixed rows", |table, data, cols, random| {
        let rows = [0, 4, 2, 2, 1, 4, 0, 3, 3];
        let (weights, dy) = (data.floats(random, rows.len()), data.floats(random, cols));
        let source = data.floats(random, 5 * cols);
        let (mut y, mut dsource) = (data.floats(random, cols), data.floats(random, 5 * cols));
        let mut dweights = data.floats(random, rows.len());
        table.mix_rows(&weights, &rows, &source, &mut y);
        table.mix_rows_back(&weights, &rows, &source, &dy, &mut dweights, &mut dsource);
        Bits::default().f32(&y).f32(&dweights).f32(&dsource)
    });
}

#[cfg_attr(test, test)]
pub(crate) fn every_alignment() {
    for offset in 0..16 {
        for len in [1, 15, 16, 17, 64, 100] {
            agree(&format!("offset {offset}, length {len}"), |table| {
                let mut random = Random(77);
                let x = shifted(&Data::Wide.floats(&mut random, len), offset);
                let mut y = shifted(&Data::Wide.floats(&mut random, len), 15 - offset);
                let (x, y) = (&x[offset..], &mut y[15 - offset..]);
                table.axpy(0.3, x, y);
                let mut codes = vec![0; len + offset];
                let mut eff = vec![0.0; len];
                table.quantize_ternary(x, 0.1, 0.7, &mut codes[offset..], &mut eff);
                let differing = table.count_diff(&codes[offset..], &vec![1; len]);
                Bits::default().f32(y).f32(&[table.dot(x, y)]).i8(&codes).int(differing)
            });
        }
    }
}

#[cfg_attr(test, test)]
pub(crate) fn softmax() {
    for_all("softmax", |table, data, cols, random| {
        let (cols, rows) = (cols.max(1), 3);
        let x: Vec<f32> = data.floats(random, rows * cols).iter().map(|x| x * 20.0).collect();
        let mut y = vec![f32::NAN; rows * cols];
        table.softmax_rows(&x, cols, &mut y);
        let dy = data.floats(random, rows * cols);
        let mut dx = data.floats(random, rows * cols);
        table.softmax_back_rows(&y, &dy, cols, &mut dx);
        Bits::default().f32(&y).f32(&dx)
    });
}

/// exp itself, over its whole range: a row whose maximum is 0 shows exp(x) / sum, and the table's sum is compared too.
#[cfg_attr(test, test)]
pub(crate) fn exp_over_its_range() {
    let x: Vec<f32> = (0..=220_000).map(|i| -(i as f32) / 2000.0).collect();
    agree("exp", |table| {
        let mut y = vec![0.0; x.len()];
        table.softmax_rows(&x, x.len(), &mut y);
        Bits::default().f32(&y)
    });
}

#[cfg_attr(test, test)]
pub(crate) fn cross_entropy() {
    for_all("cross-entropy", |table, data, cols, random| {
        let (cols, rows) = (cols.max(1), 5);
        let mut logits: Vec<f32> =
            data.floats(random, rows * cols).iter().map(|x| x * 30.0).collect();
        // A tie for the maximum, and terms whose exp underflows.
        (logits[0], logits[cols - 1]) = (1e4, 1e4);
        let mut targets: Vec<i32> = (0..rows).map(|_| random.below(cols) as i32).collect();
        targets[3] = -1;
        let weights = Data::Plain.floats(random, rows);
        let (mut gradient, mut losses) = (vec![f32::NAN; rows * cols], vec![f64::NAN; rows]);
        let hits = table.cross_entropy_rows(
            &logits,
            cols,
            &targets,
            &weights,
            Some(&mut gradient),
            &mut losses,
        );
        let mut alone = vec![f64::NAN; rows];
        let again = table.cross_entropy_rows(&logits, cols, &targets, &weights, None, &mut alone);
        assert_eq!(hits, again);
        Bits::default().f32(&gradient).f64(&losses).f64(&alone).int(hits)
    });
}

#[cfg_attr(test, test)]
pub(crate) fn adamw() {
    for_all("adamw", |table, data, len, random| {
        let [mut p, g, mut m] = std::array::from_fn(|_| data.floats(random, len));
        let mut v: Vec<f32> = data.floats(random, len).iter().map(|v| v.abs()).collect();
        for step in 1..4 {
            let hyper = AdamHyper::new(1e-3, 0.9, 0.98, 1e-8, 1.0, step);
            table.adamw(&mut p, &g, &mut m, &mut v, &hyper);
        }
        Bits::default().f32(&p).f32(&m).f32(&v)
    });
}

#[cfg_attr(test, test)]
pub(crate) fn quantisers() {
    for_all("quantisers", |table, data, len, random| {
        let w = data.floats(random, len);
        let shift = [0.0, 0.013, -0.5][random.below(3)];
        let gamma = [0.5, 0.1, 1e-5, 1.0][random.below(4)];
        let (mut codes, mut eff) = (vec![7; len], vec![f32::NAN; len]);
        table.quantize_ternary(&w, shift, gamma, &mut codes, &mut eff);
        let mut results = Bits::default().i8(&codes).f32(&eff);
        for zero_is_zero in [false, true] {
            table.quantize_binary(&w, shift, gamma, zero_is_zero, &mut codes, &mut eff);
            results = results.i8(&codes).f32(&eff);
        }
        results
    });
}

#[cfg_attr(test, test)]
pub(crate) fn activation_quantiser() {
    for_all("activations", |table, data, cols, random| {
        let (cols, rows) = (cols.max(1), 3);
        let mut x = data.floats(random, rows * cols);
        // Half-way values: with a maximum of 127 the scale is 1.
        x[0] = 127.0;
        for (i, x) in x[1..cols].iter_mut().enumerate().step_by(3) {
            *x = i as f32 % 127.0 - 63.5;
        }
        let (mut codes, mut scales) = (vec![9; rows * cols], vec![0.0; rows]);
        table.quantize_act_rows(&x, cols, &mut codes, &mut scales);
        Bits::default().i8(&codes).f32(&scales)
    });
}

#[cfg_attr(test, test)]
pub(crate) fn count_of_differences() {
    for_all("count_diff", |table, _, len, random| {
        let [a, b]: [Vec<i8>; 2] =
            std::array::from_fn(|_| (0..len).map(|_| random.below(3) as i8 - 1).collect());
        Bits::default().int(table.count_diff(&a, &b)).int(table.count_diff(&a, &a))
    });
}

/// Random packed rows, made by `pack`.
fn packed(random: &mut Random, format: Format, rows: usize, cols: usize) -> Vec<u8> {
    let code = |random: &mut Random| match format {
        Format::Binary => 2 * random.below(2) as i8 - 1,
        _ => random.below(3) as i8 - 1,
    };
    let codes: Vec<i8> = (0..rows * cols).map(|_| code(random)).collect();
    let mut out = vec![0; rows * row_bytes(format, cols)];
    pack(format, &codes, rows, cols, &mut out).unwrap();
    out
}

/// Rows and batch sizes below, at and above every tile.
const SHAPES: [(usize, usize); 9] =
    [(1, 1), (4, 1), (5, 1), (1, 2), (2, 3), (3, 4), (5, 5), (9, 8), (4, 0)];

#[cfg_attr(test, test)]
pub(crate) fn packed_f32() {
    for format in Format::ALL {
        for (rows, m) in SHAPES {
            for cols in (0..=67).chain([127, 128, 129, 160, 161, 256, 257, 320, 512, 1000]) {
                for data in DATA {
                    let case = format!("{format:?} {data:?} rows {rows} m {m} cols {cols}");
                    agree(&case, |table| {
                        let mut random = Random(cols as u64 + 3);
                        let w = packed(&mut random, format, rows, cols);
                        let x = data.floats(&mut random, m * cols);
                        let mut y = vec![f32::NAN; m * rows];
                        table.packed_matmul_f32(format, &w, rows, cols, 0.37, &x, m, &mut y);
                        Bits::default().f32(&y)
                    });
                }
            }
        }
    }
}

#[cfg_attr(test, test)]
pub(crate) fn packed_i8() {
    for format in Format::ALL {
        for (rows, m) in SHAPES {
            for cols in (0..=67).chain([127, 128, 129, 160, 161, 256, 257, 320, 512, 3000]) {
                agree(&format!("{format:?} rows {rows} m {m} cols {cols}"), |table| {
                    let mut random = Random(cols as u64 + 3);
                    let w = packed(&mut random, format, rows, cols);
                    let x: Vec<i8> = (0..m * cols).map(|_| random.next() as i8).collect();
                    let mut y = vec![i32::MIN; m * rows];
                    table.packed_matmul_i8(format, &w, rows, cols, &x, m, &mut y);
                    Bits::default().i32s(&y)
                });
            }
        }
    }
}

impl Bits {
    fn i32s(mut self, x: &[i32]) -> Self {
        self.0.extend(x.iter().map(|&x| u64::from(x as u32)));
        self
    }
}

/// A million extreme products of one sign: 16-bit partial sums must have been emptied in time. The right answer is known.
#[cfg_attr(test, test)]
pub(crate) fn long_rows_of_extremes_do_not_overflow() {
    let cols = 1 << 20;
    for format in Format::ALL {
        for (code, x) in [(1, -128), (1, 127), (-1, -128), (-1, 127)] {
            let mut w = vec![0; row_bytes(format, cols)];
            pack(format, &vec![code; cols], 1, cols, &mut w).unwrap();
            for m in [1, 4] {
                for table in available() {
                    let mut y = vec![0; m];
                    table.packed_matmul_i8(format, &w, 1, cols, &vec![x; m * cols], m, &mut y);
                    let expected = i32::from(code) * i32::from(x) * cols as i32;
                    assert_eq!(y, vec![expected; m], "{} {format:?}", table.name);
                }
            }
        }
    }
}

/// Bytes that `pack` never writes still mean the same everywhere, so a broken file cannot make machines disagree, or an accumulator overflow.
#[cfg_attr(test, test)]
pub(crate) fn any_bytes_agree() {
    for format in Format::ALL {
        let (rows, cols) = (3, 40 * format.block_codes());
        for fill in [None, Some(0xff), Some(0x00)] {
            agree(&format!("{format:?} bytes {fill:?}"), |table| {
                let mut random = Random(11);
                let w: Vec<u8> = (0..rows * row_bytes(format, cols))
                    .map(|_| fill.unwrap_or(random.next() as u8))
                    .collect();
                let xi = vec![-128i8; cols];
                let xf = Data::Plain.floats(&mut random, cols);
                let (mut yi, mut yf) = (vec![0; rows], vec![0.0; rows]);
                table.packed_matmul_i8(format, &w, rows, cols, &xi, 1, &mut yi);
                table.packed_matmul_f32(format, &w, rows, cols, 1.0, &xf, 1, &mut yf);
                Bits::default().i32s(&yi).f32(&yf)
            });
        }
    }
}
