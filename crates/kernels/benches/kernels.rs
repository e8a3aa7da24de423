//! Speed of every kernel on every table: `cargo bench --package tritlens-kernels`, or in WebAssembly `node crates/kernels/run-wasm.mjs bench`.
//!
//! A case is run once on each table and compared with the scalar result before anything is timed. Then the tables take turns, so that a busy machine
//! slows all of them; the best of the rounds counts. Columns: operation, shape, table, billions of products (or elements) a second, ratio to scalar.

use tritlens_kernels::{AdamHyper, Format, Kernels, View, available, gemm, pack, row_bytes};

#[path = "../examples/host/mod.rs"]
mod host;

const ROUNDS: usize = 7;

/// One measured operation. `run` returns something of its result, to be compared.
struct Case {
    name: String,
    /// Products or elements of one run.
    work: usize,
    run: Box<dyn Fn(&Kernels) -> u64>,
}

pub(crate) fn main() {
    let wanted = std::env::args().nth(1).filter(|arg| !arg.starts_with('-')).unwrap_or_default();
    let chosen = |case: &Case| case.name.contains(&wanted);
    for case in cases().iter().filter(|case| chosen(case)) {
        measure(case);
    }
    for shape in [(3300, 512, 128), (3300, 128, 512), (3300, 113, 128), (512, 128, 3300)] {
        if "dense".contains(&wanted) {
            dense(shape);
        }
    }
}

fn measure(case: &Case) {
    let tables = available();
    let expected = (case.run)(tables[tables.len() - 1]);
    let mut best = vec![f64::INFINITY; tables.len()];
    for _ in 0..ROUNDS {
        for (table, best) in tables.iter().zip(&mut best) {
            // The second run finds weights and activations in the caches it can hold them in.
            for _ in 0..2 {
                let start = host::now();
                let result = (case.run)(table);
                *best = best.min(host::now() - start);
                assert_eq!(result, expected, "{} on {}", case.name, table.name);
            }
        }
    }
    let scalar = best[best.len() - 1];
    for (table, seconds) in tables.iter().zip(&best) {
        let rate = case.work as f64 / seconds / 1e9;
        let ratio = scalar / seconds;
        host::say(&format!("{:44} {:8} {rate:8.2} G/s  {ratio:7.1}x", case.name, table.name));
    }
}

fn floats(len: usize) -> Vec<f32> {
    (0..len).map(|i| ((i * 7919) % 2003) as f32 / 1000.0 - 1.0).collect()
}

/// A number that changes when any bit of the result does.
fn digest<T: Copy>(values: &[T], bits: impl Fn(T) -> u64) -> u64 {
    values.iter().fold(17, |h: u64, &x| h.wrapping_mul(1_099_511_628_211).wrapping_add(bits(x)))
}

fn digest_f32(values: &[f32]) -> u64 {
    digest(values, |x| u64::from(x.to_bits()))
}

fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for format in Format::ALL {
        for (rows, cols, m) in [(2560, 2560, 1), (512, 2560, 16), (128, 128, 64)] {
            cases.push(packed_f32(format, rows, cols, m));
            cases.push(packed_i8(format, rows, cols, m));
        }
    }
    cases.extend([
        adamw(),
        cross_entropy(),
        softmax(4096, 64),
        softmax(65_536, 3),
        ternary(),
        act_rows(),
        sum_abs(),
        flips(),
    ]);
    cases
}

fn packed(format: Format, rows: usize, cols: usize) -> Vec<u8> {
    let code = |i: usize| match format {
        Format::Binary => 2 * (i * 7 % 11 % 2) as i8 - 1,
        _ => (i * 7 % 11 % 3) as i8 - 1,
    };
    let mut w = vec![0; rows * row_bytes(format, cols)];
    pack(format, &(0..rows * cols).map(code).collect::<Vec<_>>(), rows, cols, &mut w).unwrap();
    w
}

fn packed_f32(format: Format, rows: usize, cols: usize, m: usize) -> Case {
    let (w, x) = (packed(format, rows, cols), floats(m * cols));
    let run = move |table: &Kernels| {
        let mut y = vec![0.0; m * rows];
        table.packed_matmul_f32(format, &w, rows, cols, 1.0, &x, m, &mut y);
        digest_f32(&y)
    };
    let name = format!("packed f32 {} m{m} {rows}x{cols}", format.name());
    Case { name, work: m * rows * cols, run: Box::new(run) }
}

fn packed_i8(format: Format, rows: usize, cols: usize, m: usize) -> Case {
    let w = packed(format, rows, cols);
    let x: Vec<i8> = (0..m * cols).map(|i| (i * 31 % 255) as u8 as i8).collect();
    let run = move |table: &Kernels| {
        let mut y = vec![0; m * rows];
        table.packed_matmul_i8(format, &w, rows, cols, &x, m, &mut y);
        digest(&y, |y| y as u64)
    };
    let name = format!("packed int8 {} m{m} {rows}x{cols}", format.name());
    Case { name, work: m * rows * cols, run: Box::new(run) }
}

fn adamw() -> Case {
    let g = floats(225_792);
    let hyper = AdamHyper::new(1e-3, 0.9, 0.98, 1e-8, 1.0, 7);
    let run = move |table: &Kernels| {
        let (mut p, mut m, mut v) = (g.clone(), g.clone(), vec![0.5; g.len()]);
        for _ in 0..8 {
            table.adamw(&mut p, &g, &mut m, &mut v, &hyper);
        }
        digest_f32(&p[..64])
    };
    Case { name: "adamw 225792".into(), work: 8 * 225_792, run: Box::new(run) }
}

fn cross_entropy() -> Case {
    let (rows, cols) = (3830, 113);
    let logits = floats(rows * cols);
    let targets: Vec<i32> = (0..rows).map(|row| (row % cols) as i32).collect();
    let weights = vec![1.0 / rows as f32; rows];
    let run = move |table: &Kernels| {
        let (mut gradient, mut losses) = (vec![0.0; rows * cols], vec![0.0; rows]);
        let gradient_out = Some(&mut gradient[..]);
        table.cross_entropy_rows(&logits, cols, &targets, &weights, gradient_out, &mut losses);
        digest_f32(&gradient[..64]) ^ digest(&losses, f64::to_bits)
    };
    Case { name: format!("cross-entropy {rows}x{cols}"), work: rows * cols, run: Box::new(run) }
}

fn softmax(rows: usize, cols: usize) -> Case {
    let x = floats(rows * cols);
    let run = move |table: &Kernels| {
        let mut y = vec![0.0; x.len()];
        table.softmax_rows(&x, cols, &mut y);
        digest_f32(&y[..256])
    };
    Case { name: format!("softmax {rows}x{cols}"), work: rows * cols, run: Box::new(run) }
}

fn ternary() -> Case {
    let w = floats(65_536);
    let run = move |table: &Kernels| {
        let (mut codes, mut eff) = (vec![0; w.len()], vec![0.0; w.len()]);
        for _ in 0..16 {
            table.quantize_ternary(&w, 0.01, 0.5, &mut codes, &mut eff);
        }
        digest_f32(&eff[..256])
    };
    Case { name: "quantise ternary 65536".into(), work: 16 * 65_536, run: Box::new(run) }
}

fn act_rows() -> Case {
    let x = floats(64 * 2560);
    let run = move |table: &Kernels| {
        let (mut codes, mut scales) = (vec![0; x.len()], vec![0.0; 64]);
        table.quantize_act_rows(&x, 2560, &mut codes, &mut scales);
        digest(&codes[..256], |x| x as u64)
    };
    Case { name: "quantise int8 rows 64x2560".into(), work: 64 * 2560, run: Box::new(run) }
}

fn sum_abs() -> Case {
    let x = floats(65_536);
    let run = move |table: &Kernels| (0..16).fold(0, |_, _| table.sum_abs(&x).to_bits());
    Case { name: "sum_abs 65536".into(), work: 16 * 65_536, run: Box::new(run) }
}

fn flips() -> Case {
    let a: Vec<i8> = (0..65_536).map(|i| (i % 3) as i8).collect();
    let b: Vec<i8> = (0..65_536).map(|i| (i % 5) as i8).collect();
    let run = move |table: &Kernels| (0..64).fold(0, |_, _| table.count_diff(&a, &b));
    Case { name: "count_diff 65536".into(), work: 64 * 65_536, run: Box::new(run) }
}

/// The library's product, checked against f64 on a few elements. There is no scalar rival: the column shows a transposed W, as layers store it.
fn dense((m, n, k): (usize, usize, usize)) {
    let (a, b) = (floats(m * k), floats(n * k));
    let mut c = vec![f32::NAN; m * n];
    let mut best = f64::INFINITY;
    for _ in 0..ROUNDS {
        let start = host::now();
        gemm((m, n, k), 1.0, View::rows(&a, k), View::rows(&b, k).t(), 0.0, &mut c, (n, 1));
        best = best.min(host::now() - start);
    }
    for (i, j) in [(0, 0), (m / 2, n - 1), (m - 1, n / 3)] {
        let exact: f64 = (0..k).map(|l| f64::from(a[i * k + l]) * f64::from(b[j * k + l])).sum();
        assert!((f64::from(c[i * n + j]) - exact).abs() < 1e-5 * k as f64, "dense {m}x{n}x{k}");
    }
    let rate = (m * n * k) as f64 / best / 1e9;
    host::say(&format!("{:44} {:8} {rate:8.2} G/s", format!("dense {m}x{n}x{k}"), "library"));
}
