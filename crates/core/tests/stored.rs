//! Stored matrices against their dequantised numbers: every format, every way of filling, bad bytes, threads.

use tritlens_core::error::codes;
use tritlens_core::formats;
use tritlens_core::packed::{PackedShape, quantize_activations};
use tritlens_core::par;
use tritlens_core::rng::Rng;
use tritlens_core::stored::{Stored, StoredScratch};
use tritlens_kernels::Format;

const DENSE: [&str; 8] = ["f32", "f16", "bf16", "q8_0", "q4_0", "q4_k", "q6_k", "q2_0"];
const PACKED: [&str; 9] =
    ["tq1_0", "tq2_0", "q1_0", "i2_s", "i2_s_neon", "hf", "binary", "ternary2", "ternary5"];

fn numbers(stream: u64, len: usize) -> Vec<f32> {
    let rng = Rng::new(5, stream);
    (0..len).map(|i| rng.normal(i as u64) as f32).collect()
}

fn codes_of(format: &str, len: usize) -> Vec<i8> {
    let rng = Rng::new(5, 99);
    let draw = |i: usize| rng.uniform(i as u64);
    match format {
        "binary" | "q1_0" => (0..len).map(|i| if draw(i) < 0.5 { -1 } else { 1 }).collect(),
        _ => (0..len).map(|i| (draw(i) * 3.0) as i8 - 1).collect(),
    }
}

/// Bytes of a file, and what they stand for.
struct Case {
    format: &'static str,
    rows: usize,
    cols: usize,
    bytes: Vec<u8>,
    dense: Vec<f32>,
}

/// Random blocks with small scales: K-quants cannot be written.
fn blocks(format: &str, bytes: &mut [u8]) {
    let rng = Rng::new(5, 41);
    for (i, b) in bytes.iter_mut().enumerate() {
        *b = (rng.uniform(i as u64) * 256.0) as u8;
    }
    let (block, scales): (usize, &[usize]) =
        if format == "q4_k" { (144, &[0, 2]) } else { (210, &[208]) };
    for block in bytes.chunks_exact_mut(block) {
        for &at in scales {
            // Between 2^-7 and 2^-5.
            block[at + 1] = 0x20 | block[at + 1] & 7;
        }
    }
}

fn case(format: &'static str, rows: usize, cols: usize) -> Case {
    let mut bytes = vec![0; Stored::bytes_of(format, rows, cols).unwrap()];
    let mut dense = vec![0.0; rows * cols];
    let values: Vec<f32> = numbers(7, rows * cols);
    match format {
        "q4_k" | "q6_k" => blocks(format, &mut bytes),
        // Scales of their own in every block.
        "f32" | "f16" | "bf16" | "q8_0" | "q4_0" | "q2_0" | "tq1_0" | "tq2_0" | "q1_0" => {
            formats::quantize_blocks(format, &values, cols, &mut bytes).unwrap();
        }
        _ => {
            let found = codes_of(format, rows * cols);
            formats::pack(format, &found, rows, cols, 0.25, &mut bytes).unwrap();
            dense = found.iter().map(|&c| 0.25 * f32::from(c)).collect();
            return Case { format, rows, cols, bytes, dense };
        }
    }
    formats::dequantize_blocks(format, &bytes, cols, &mut dense).unwrap();
    Case { format, rows, cols, bytes, dense }
}

impl Case {
    /// Filled in pieces of `piece` bytes, the last first.
    fn fill(&self, piece: usize) -> Stored {
        let mut filling = Stored::filling(self.format, self.rows, self.cols, 0.25).unwrap();
        let pieces: Vec<_> = self.bytes.chunks(piece).enumerate().collect();
        for (i, bytes) in pieces.into_iter().rev() {
            filling.write(i * piece, bytes).unwrap();
        }
        filling.finish().unwrap()
    }
}

fn cases() -> Vec<Case> {
    DENSE.iter().chain(&PACKED).map(|format| case(format, 68, 768)).collect()
}

fn near(found: &[f32], exact: &[f64], tolerance: f64, what: &str) {
    let largest = exact.iter().fold(1e-30f64, |m, x| m.max(x.abs()));
    for (i, (f, e)) in found.iter().zip(exact).enumerate() {
        assert!((f64::from(*f) - e).abs() <= tolerance * largest, "{what}: [{i}] {f} for {e}");
    }
}

/// x [m, cols] . W^T
fn product(x: &[f64], dense: &[f32], cols: usize) -> Vec<f64> {
    let dot = |x: &[f64], w: &[f32]| x.iter().zip(w).map(|(x, w)| x * f64::from(*w)).sum();
    x.chunks_exact(cols).flat_map(|x| dense.chunks_exact(cols).map(move |w| dot(x, w))).collect()
}

fn wide(x: &[f32]) -> Vec<f64> {
    x.iter().map(|&x| f64::from(x)).collect()
}

#[test]
fn rows_are_the_numbers_of_the_file() {
    for case in cases() {
        for piece in [1 << 20, 4096, 333] {
            let stored = case.fill(piece);
            let mut all = vec![f32::NAN; case.dense.len()];
            stored.rows_into(0, case.rows, &mut all).unwrap();
            assert_eq!(all, case.dense, "{}", case.format);
            let mut one = vec![f32::NAN; case.cols];
            stored.row(67, &mut one).unwrap();
            assert_eq!(one, case.dense[67 * case.cols..], "{}", case.format);
        }
    }
}

#[test]
fn products_are_those_of_the_dense_matrix() {
    let mut scratch = StoredScratch::default();
    for case in cases() {
        let (stored, rows, cols) = (case.fill(1000), case.rows, case.cols);
        for m in [0, 1, 2, 17, 33] {
            let what = format!("{} m {m}", case.format);
            let x = numbers(3, m * cols);
            let exact = product(&wide(&x), &case.dense, cols);
            let mut y = vec![f32::NAN; m * rows];
            stored.forward(&x, m, &mut y, &mut scratch).unwrap();
            near(&y, &exact, 2e-6, &what);
            let dy = numbers(4, m * rows);
            let mut dx = vec![1.0; m * cols];
            stored.backward(&dy, m, &mut dx, &mut scratch).unwrap();
            let exact: Vec<f64> = (0..m * cols)
                .map(|i| {
                    let (dy, c) = (&dy[i / cols * rows..][..rows], i % cols);
                    let terms = dy.iter().enumerate();
                    1.0 + terms
                        .map(|(r, dy)| f64::from(*dy) * f64::from(case.dense[r * cols + c]))
                        .sum::<f64>()
                })
                .collect();
            near(&dx, &exact, 4e-6, &what);
        }
    }
}

#[test]
fn int8_activations_are_shared() {
    let mut scratch = StoredScratch::default();
    for case in cases() {
        let (stored, rows, cols) = (case.fill(1000), case.rows, case.cols);
        for m in [1, 3, 17] {
            let x = numbers(3, m * cols);
            let (mut codes, mut scales) = (vec![0; m * cols], vec![0.0; m]);
            quantize_activations(&x, cols, &mut codes, &mut scales);
            let mut y = vec![f32::NAN; m * rows];
            let result = stored.forward_codes(&codes, &scales, m, &mut y, &mut scratch);
            let mut sums = vec![7; m * rows];
            let sum_result = stored.accumulators(&codes, m, &mut sums, &mut scratch);
            if DENSE.contains(&case.format) {
                assert_eq!(result.unwrap_err().code, codes::MODE);
                assert_eq!(sum_result.unwrap_err().code, codes::MODE);
                continue;
            }
            result.unwrap();
            let exact: Vec<f64> =
                (0..m * cols).map(|i| f64::from(codes[i]) * f64::from(scales[i / cols])).collect();
            near(&y, &product(&exact, &case.dense, cols), 1e-6, case.format);
            sum_result.unwrap();
            let mut found = vec![0; rows * cols];
            stored.codes(&mut found).unwrap();
            let product = |i: usize| -> i32 {
                let (x, w) = (&codes[i / rows * cols..][..cols], &found[i % rows * cols..][..cols]);
                x.iter().zip(w).map(|(x, w)| i32::from(*x) * i32::from(*w)).sum()
            };
            assert!(sums.iter().enumerate().all(|(i, &s)| s == product(i)), "{}", case.format);
            scales[m - 1] = f32::NAN;
            stored.forward_codes(&codes, &scales, m, &mut y, &mut scratch).unwrap();
            assert!(y[(m - 1) * rows..].iter().all(|y| y.is_nan()));
            assert!(y[..(m - 1) * rows].iter().all(|y| y.is_finite()));
        }
    }
}

#[test]
fn threads_do_not_change_a_bit() {
    for format in DENSE.iter().chain(&PACKED) {
        let case = case(format, 580, 1024);
        let run = |threads| {
            par::set_threads(threads).unwrap();
            let (stored, mut scratch) = (case.fill(1 << 20), StoredScratch::default());
            let mut bits = Vec::new();
            for m in [1, 5, 70] {
                let (x, dy) = (numbers(3, m * 1024), numbers(4, m * 580));
                let (mut y, mut dx) = (vec![0.0; m * 580], vec![0.0; m * 1024]);
                stored.forward(&x, m, &mut y, &mut scratch).unwrap();
                stored.backward(&dy, m, &mut dx, &mut scratch).unwrap();
                bits.extend(y.iter().chain(&dx).map(|v| v.to_bits()));
                if stored.is_packed() {
                    let (mut codes, mut scales) = (vec![0; m * 1024], vec![0.0; m]);
                    quantize_activations(&x, 1024, &mut codes, &mut scales);
                    stored.forward_codes(&codes, &scales, m, &mut y, &mut scratch).unwrap();
                    bits.extend(y.iter().map(|v| v.to_bits()));
                }
            }
            bits
        };
        let (one, two, three) = (run(1), run(2), run(3));
        par::set_threads(1).unwrap();
        assert!(one == two && one == three, "{format}");
    }
}

#[test]
fn what_was_filled_comes_out_again() {
    for case in cases() {
        let stored = case.fill(1 << 20);
        let info = stored.info();
        assert_eq!((info.rows, info.cols), (case.rows, case.cols));
        assert_eq!(info.scales, stored.scales().len());
        assert_eq!(stored.is_packed(), PACKED.contains(&case.format));
        if !["binary", "ternary2", "ternary5"].contains(&case.format) {
            let mut again = vec![0; case.bytes.len()];
            stored.export(case.format, &mut again).unwrap();
            assert_eq!(again, case.bytes, "{}", case.format);
        }
        if !stored.is_packed() {
            let mut floats = vec![0; 4 * case.dense.len()];
            stored.export("f32", &mut floats).unwrap();
            let floats: Vec<f32> =
                floats.chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect();
            assert_eq!(floats, case.dense);
            let mut room = vec![0; Stored::bytes_of("hf", case.rows, case.cols).unwrap()];
            assert_eq!(stored.export("hf", &mut room).unwrap_err().code, codes::FORMAT);
            assert_eq!(stored.codes(&mut []).unwrap_err().code, codes::NAME);
        }
    }
}

/// Blocks of zeros have scale 0 in files; the others' one scale stays one, and the file comes out again.
#[test]
fn blocks_of_zeros_need_no_scale() {
    for format in ["tq1_0", "tq2_0"] {
        let mut values: Vec<f32> =
            codes_of(format, 4 * 768).iter().map(|&c| 0.5 * f32::from(c)).collect();
        values[256..512].fill(0.0);
        values[..256].fill(0.0);
        let mut bytes = vec![0; Stored::bytes_of(format, 4, 768).unwrap()];
        formats::quantize_blocks(format, &values, 768, &mut bytes).unwrap();
        let fill = |bytes: &[u8]| {
            let mut filling = Stored::filling(format, 4, 768, 1.0).unwrap();
            filling.write(0, bytes).unwrap();
            filling.finish()
        };
        let stored = fill(&bytes).unwrap();
        assert_eq!(stored.scales(), [0.5], "{format}");
        let mut again = vec![0; bytes.len()];
        stored.export(format, &mut again).unwrap();
        assert_eq!(again, bytes, "{format}");
        let at = bytes.len() / 12;
        bytes[at - 2..at].copy_from_slice(&[0, 0x7c]);
        assert_eq!(fill(&bytes).err().unwrap().code, codes::NONFINITE, "{format}");
    }
}

#[test]
fn codes_become_a_matrix() {
    let found = codes_of("ternary2", 6 * 100);
    let shape = PackedShape::new(6, 100, 50).unwrap();
    let (scales, shifts) = (numbers(1, 12), numbers(2, 12));
    let stored =
        Stored::from_codes(Format::Ternary2, shape, &found, scales.clone(), shifts.clone())
            .unwrap();
    let mut rows = vec![0.0; 600];
    stored.rows_into(0, 6, &mut rows).unwrap();
    let weight = |i: usize| scales[i / 50] * f32::from(found[i]) + shifts[i / 50];
    assert!(rows.iter().enumerate().all(|(i, &w)| w == weight(i)));
    assert_eq!((stored.scales(), stored.shifts()), (&scales[..], &shifts[..]));
}

#[test]
fn wrong_bytes_are_refused() {
    let code = |r: tritlens_core::error::Result<()>| r.unwrap_err().code;
    assert_eq!(code(Stored::bytes_of("q5_0", 4, 256).map(|_| ())), codes::NAME);
    assert_eq!(code(Stored::bytes_of("q4_k", 4, 128).map(|_| ())), codes::SHAPE);
    assert_eq!(code(Stored::bytes_of("f16", 0, 128).map(|_| ())), codes::SHAPE);
    let huge = Stored::filling("f32", 1 << 30, 1 << 28, 1.0);
    assert_eq!(huge.err().unwrap().code, codes::MEMORY);
    assert_eq!(code(Stored::filling("hf", 4, 4, f32::NAN).map(|_| ())), codes::NONFINITE);
    for case in cases() {
        let filling = || Stored::filling(case.format, case.rows, case.cols, 1.0).unwrap();
        let mut f = filling();
        f.write(0, &case.bytes[..100]).unwrap();
        assert_eq!(code(f.write(99, &[0])), codes::SHAPE, "twice");
        assert_eq!(code(f.write(case.bytes.len(), &[0])), codes::SHAPE, "outside");
        assert_eq!(code(f.write(usize::MAX, &[0])), codes::SHAPE, "outside");
        f.write(101, &case.bytes[101..]).unwrap();
        let error = f.finish().err().unwrap();
        assert_eq!(error.code, codes::SHAPE);
        assert!(error.message.contains("from 100 on"), "{error}");
        let with = |at: usize, bytes: &[u8]| {
            let (mut f, mut all) = (filling(), case.bytes.clone());
            all[at..at + bytes.len()].copy_from_slice(bytes);
            f.write(0, &all).unwrap();
            f.finish()
        };
        let scale_at = match case.format {
            "tq1_0" => Some(52),
            "tq2_0" => Some(64),
            "q1_0" => Some(0),
            _ => None,
        };
        if let Some(at) = scale_at {
            for bad in [[0x00, 0x7c], [0x00, 0xfc], [0x01, 0x7e]] {
                assert_eq!(code(with(at, &bad).map(|_| ())), codes::NONFINITE, "{}", case.format);
            }
        }
        if ["tq2_0", "hf", "i2_s", "i2_s_neon", "ternary2"].contains(&case.format) {
            assert_eq!(code(with(40, &[0xff]).map(|_| ())), codes::FORMAT, "{}", case.format);
            assert_eq!(code(with(41, &[0x0c]).map(|_| ())), codes::FORMAT, "{}", case.format);
        }
        if case.format.starts_with("i2_s") {
            let at = case.rows * case.cols / 4;
            let inf = f32::INFINITY.to_le_bytes();
            assert_eq!(code(with(at, &inf).map(|_| ())), codes::NONFINITE);
        }
    }
}

#[test]
fn rows_that_do_not_exist_are_refused() {
    let stored = case("f16", 4, 32).fill(64);
    let mut out = vec![0.0; 32];
    assert_eq!(stored.row(4, &mut out).unwrap_err().code, codes::RANGE);
    assert_eq!(stored.rows_into(usize::MAX, 2, &mut out).unwrap_err().code, codes::RANGE);
    assert_eq!(stored.row(3, &mut out[1..]).unwrap_err().code, codes::SHAPE);
    let mut scratch = StoredScratch::default();
    assert_eq!(
        stored.forward(&out, 2, &mut [0.0; 8], &mut scratch).unwrap_err().code,
        codes::SHAPE
    );
}
