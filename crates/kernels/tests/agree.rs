//! Every table equals the scalar one, bit for bit, f32 and f64 included. The tests walk `available()`: a new instruction set is tested by existing.
//!
//! `examples/agree.rs` runs the same functions where there is no test harness, which is how WebAssembly is tested.

use tritlens_kernels::{AdamHyper, Columns, NormRows, Strided, available, isa};

#[path = "agree/data.rs"]
mod data;
#[path = "agree/edges.rs"]
pub(crate) mod edges;
#[path = "agree/elements.rs"]
pub(crate) mod elements;
#[path = "agree/packed.rs"]
pub(crate) mod packed;

use data::{Bits, Data, Random, agree, for_all};

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
        let popcnt = is_x86_feature_detected!("popcnt");
        let avx2 = popcnt
            && is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("fma")
            && is_x86_feature_detected!("f16c");
        let vnni = is_x86_feature_detected!("avx512vnni") && is_x86_feature_detected!("avx512vl");
        let bw = is_x86_feature_detected!("avx512bw") && is_x86_feature_detected!("avx512f");
        let avx512 = avx2 && vnni && bw;
        let counts = is_x86_feature_detected!("avx512vpopcntdq");
        expected.extend((avx512 && counts).then_some("avx512"));
        expected.extend(avx512.then_some("avx512vnni"));
        expected.extend((avx2 && is_x86_feature_detected!("avxvnni")).then_some("avxvnni"));
        expected.extend(avx2.then_some("avx2"));
        expected.extend((is_x86_feature_detected!("sse4.2") && popcnt).then_some("sse42"));
    }
    #[cfg(target_arch = "aarch64")]
    {
        let dot = std::arch::is_aarch64_feature_detected!("dotprod");
        let i8mm = std::arch::is_aarch64_feature_detected!("i8mm");
        expected.extend((dot && i8mm).then_some("neoni8mm"));
        expected.extend(dot.then_some("neondot"));
        expected.push("neon");
    }
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
pub(crate) fn smooth_activations() {
    for_all("smooth activations", |table, data, len, random| {
        let x: Vec<f32> = data.floats(random, len).iter().map(|x| x * 6.0).collect();
        let dy = data.floats(random, len);
        let mut results = Bits::default();
        for kernel in 0..6 {
            let mut out = data.floats(random, len);
            match kernel {
                0 => table.gelu(&x, &mut out),
                1 => table.gelu_back(&x, &dy, &mut out),
                2 => table.gelu_new(&x, &mut out),
                3 => table.gelu_new_back(&x, &dy, &mut out),
                4 => table.silu(&x, &mut out),
                _ => table.silu_back(&x, &dy, &mut out),
            }
            results = results.f32(&out);
        }
        results
    });
}

/// With and without gain and bias, centring and a floor that some rows hit.
#[cfg_attr(test, test)]
pub(crate) fn norms() {
    for_all("norms", |table, data, cols, random| {
        let (cols, rows) = (cols.max(1), 3);
        let (x, dy) = (data.floats(random, rows * cols), data.floats(random, rows * cols));
        let (w, b) = (data.floats(random, cols), data.floats(random, cols));
        let mut results = Bits::default();
        for case in 0..4 {
            let n =
                NormRows { cols, center: case % 2 == 0, eps: 1e-5, floor: [0.0, 0.5][case / 2] };
            let (w, b) = (Some(&w[..]).filter(|_| case > 0), Some(&b[..]).filter(|_| case > 1));
            let mut s = vec![f32::NAN; rows];
            table.norm_scale(&x, n, &mut s);
            let mut y = vec![f32::NAN; rows * cols];
            table.norm_apply(&x, &s, w, b, n, &mut y);
            let mut dx = data.floats(random, rows * cols);
            table.norm_apply_back_x(&s, w, &dy, n, &mut dx);
            let mut ds = data.floats(random, rows);
            table.norm_apply_back_s(&x, &s, w, &dy, n, &mut ds);
            table.norm_scale_back(&x, &ds, n, &mut dx);
            let mut dw = data.floats(random, cols);
            table.norm_apply_back_w(&x, &s, &dy, n, &mut dw);
            results = results.f32(&s).f32(&y).f32(&dx).f32(&ds).f32(&dw);
        }
        results
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
        let stride = cols + 3;
        let source = data.floats(random, 5 * stride);
        let (mut y, mut dsource) = (data.floats(random, cols), data.floats(random, 5 * stride));
        let mut dweights = data.floats(random, rows.len());
        let source = Columns { data: &source, stride, first: 2 };
        table.mix_rows(&weights, &rows, source, &mut y);
        table.mix_rows_back(&weights, &rows, source, &dy, &mut dweights, &mut dsource);
        Bits::default().f32(&y).f32(&dweights).f32(&dsource)
    });
}

/// Keys and values of one query, some with weight 0 in front of what is no number.
#[cfg_attr(test, test)]
pub(crate) fn attended_rows() {
    for_all("attended rows", |table, data, cols, random| {
        let (rows, stride) = (9, cols + 5);
        let source = data.floats(random, rows * stride);
        let mut weights = data.floats(random, rows);
        weights[3] = 0.0;
        let (q, source) = (data.floats(random, cols), Strided { data: &source, stride });
        let (mut dots, mut y) = (vec![9.0; rows], data.floats(random, cols));
        table.dot_rows(&q, source, &mut dots);
        table.weigh_rows(&weights, source, &mut y);
        for (t, &dot) in dots.iter().enumerate() {
            let alone = table.dot(&q, &source.data[t * stride..][..cols]);
            assert!(alone.to_bits() == dot.to_bits() || alone.is_nan() && dot.is_nan());
        }
        Bits::default().f32(&dots).f32(&y)
    });
}

/// Products of few rows with a matrix: bit for bit those of `dot`.
#[cfg_attr(test, test)]
pub(crate) fn row_products() {
    for_all("row products", |table, data, cols, random| {
        let mut all = Bits::default();
        for (m, n) in [(1, 1), (2, 5), (5, 9), (8, 4)] {
            let (x, w) = (data.floats(random, m * cols), data.floats(random, n * cols));
            let mut y = vec![9.0; m * n];
            if cols > 0 {
                table.row_products(&x, &w, cols, &mut y);
                for (k, &found) in y.iter().enumerate() {
                    let (x, w) = (&x[k / n * cols..][..cols], &w[k % n * cols..][..cols]);
                    let alone = table.dot(x, w);
                    assert!(alone.to_bits() == found.to_bits() || alone.is_nan() && found.is_nan());
                }
            }
            all = all.f32(&y);
        }
        all
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
