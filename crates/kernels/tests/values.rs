//! The specification itself: kernels against the formulas they claim, written another way. Runs on whatever table is selected; `agree.rs` carries the result
//! to the others.

use tritlens_kernels::{
    AdamHyper, Format, NormRows, adamw, count_diff, cross_entropy_rows, dot, max_abs, norm_apply,
    norm_apply_back_s, norm_apply_back_w, norm_apply_back_x, norm_scale, norm_scale_back, pack,
    packed_matmul_f32, packed_matmul_i8, quantize_act_rows, quantize_binary, quantize_ternary,
    relu, relu_back, row_bytes, softmax_back_rows, softmax_rows, sum, sum_abs, sum_sq,
};

fn numbers(len: usize, seed: usize) -> Vec<f32> {
    (0..len).map(|i| ((i * 7919 + seed * 104_729) % 4001) as f32 / 2000.0 - 1.0).collect()
}

fn close(a: f64, b: f64, tolerance: f64) -> bool {
    (a - b).abs() <= tolerance * (1.0 + b.abs())
}

#[test]
fn sums() {
    let x = numbers(1003, 1);
    let exact = |f: fn(f64) -> f64| x.iter().map(|&x| f(f64::from(x))).sum::<f64>();
    assert!(close(sum(&x), exact(|x| x), 1e-12));
    assert!(close(sum_abs(&x), exact(f64::abs), 1e-12));
    assert!(close(sum_sq(&x), exact(|x| x * x), 1e-12));
    assert!(close(f64::from(dot(&x, &x)), exact(|x| x * x), 1e-5));
    assert_eq!(max_abs(&[0.5, -3.0, f32::NAN, 2.0]), 3.0);
    assert_eq!((sum(&[]), dot(&[], &[]), max_abs(&[])), (0.0, 0.0, 0.0));
}

#[test]
fn relu_and_its_gradient() {
    let x = [-1.0, 0.0, 2.0, f32::NAN];
    let mut y = [9.0; 4];
    relu(&x, &mut y);
    assert_eq!(y[..3], [0.0, 0.0, 2.0]);
    assert!(y[3].is_nan());
    let mut dx = [1.0; 4];
    relu_back(&y, &[5.0; 4], &mut dx);
    assert_eq!(dx, [1.0, 1.0, 6.0, 1.0]);
}

/// The whole norm, scale included, by differences in f64 of the formula.
#[test]
fn norm_gradient() {
    let cols = 19;
    let (x, dy) = (numbers(cols, 6), numbers(cols, 7));
    let (w, b) = (numbers(cols, 8), numbers(cols, 9));
    for center in [false, true] {
        let n = NormRows { cols, center, eps: 1e-3, floor: 0.0 };
        let (mut s, mut y) = ([0.0], vec![0.0; cols]);
        norm_scale(&x, n, &mut s);
        norm_apply(&x, &s, Some(&w), Some(&b), n, &mut y);
        let formula = |x: &[f64]| -> Vec<f64> {
            let mean = if center { x.iter().sum::<f64>() / cols as f64 } else { 0.0 };
            let square = x.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / cols as f64;
            let scale = (square + 1e-3).sqrt();
            let one = |i: usize| (x[i] - mean) / scale * f64::from(w[i]) + f64::from(b[i]);
            (0..cols).map(one).collect()
        };
        let exact: Vec<f64> = x.iter().map(|&x| f64::from(x)).collect();
        for (&y, expected) in y.iter().zip(formula(&exact)) {
            assert!(close(f64::from(y), expected, 1e-6));
        }
        let (mut ds, mut dx, mut dw) = ([0.0], vec![0.25; cols], vec![0.0; cols]);
        norm_apply_back_x(&s, Some(&w), &dy, n, &mut dx);
        norm_apply_back_s(&x, &s, Some(&w), &dy, n, &mut ds);
        norm_scale_back(&x, &ds, n, &mut dx);
        norm_apply_back_w(&x, &s, &dy, n, &mut dw);
        let loss = |i: usize, h: f64| {
            let mut x = exact.clone();
            x[i] += h;
            formula(&x).iter().zip(&dy).map(|(y, &dy)| y * f64::from(dy)).sum::<f64>()
        };
        for i in 0..cols {
            let difference = (loss(i, 1e-5) - loss(i, -1e-5)) / 2e-5;
            assert!(close(f64::from(dx[i]) - 0.25, difference, 2e-6), "{center} {i}");
            let gain = f64::from(dy[i]) * (f64::from(y[i] - b[i]) / f64::from(w[i]));
            assert!(close(f64::from(dw[i]), gain, 1e-5), "{center} {i}");
        }
    }
    let n = NormRows { cols: 2, center: false, eps: 0.0, floor: 7.0 };
    let (mut s, mut dx) = ([0.0], [1.0; 2]);
    norm_scale(&[3.0, 4.0], n, &mut s);
    norm_scale_back(&[3.0, 4.0], &[5.0], n, &mut dx);
    assert_eq!((s, dx), ([7.0], [1.0; 2]), "a scale at its floor has no gradient");
}

#[test]
fn softmax_against_f64() {
    let (rows, cols) = (4, 37);
    let mut x: Vec<f32> = numbers(rows * cols, 2).iter().map(|x| x * 12.0).collect();
    x[5] = f32::NEG_INFINITY;
    let mut y = vec![0.0; x.len()];
    softmax_rows(&x, cols, &mut y);
    for (x, y) in x.chunks(cols).zip(y.chunks(cols)) {
        let total: f64 = x.iter().map(|&x| f64::from(x).exp()).sum();
        for (&x, &y) in x.iter().zip(y) {
            assert!((f64::from(y) - f64::from(x).exp() / total).abs() < 1e-6);
        }
    }
    assert_eq!(y[5], 0.0);
    softmax_rows(&[f32::NEG_INFINITY; 2], 2, &mut y[..2]);
    assert!(y[0].is_nan() && y[1].is_nan());
}

/// The directional derivative of softmax by differences in f64.
#[test]
fn softmax_gradient() {
    let cols = 21;
    let (x, dy) = (numbers(cols, 3), numbers(cols, 4));
    let mut y = vec![0.0; cols];
    softmax_rows(&x, cols, &mut y);
    let mut dx = vec![0.25; cols];
    softmax_back_rows(&y, &dy, cols, &mut dx);
    let loss = |i: usize, h: f64| {
        let e: Vec<f64> =
            (0..cols).map(|j| (f64::from(x[j]) + if i == j { h } else { 0.0 }).exp()).collect();
        let total: f64 = e.iter().sum();
        e.iter().zip(&dy).map(|(e, &dy)| e / total * f64::from(dy)).sum::<f64>()
    };
    for (i, &dx) in dx.iter().enumerate() {
        let difference = (loss(i, 1e-5) - loss(i, -1e-5)) / 2e-5;
        assert!((f64::from(dx) - 0.25 - difference).abs() < 1e-6, "{i}");
    }
}

#[test]
fn cross_entropy_against_f64() {
    let (rows, cols) = (5, 19);
    let mut z: Vec<f32> = numbers(rows * cols, 5).iter().map(|z| z * 4.0).collect();
    // Row 0 is right, row 1 ties with an earlier class (a miss), row 2 is left out, the others are wrong.
    (z[3], z[cols + 4], z[cols + 9]) = (50.0, 60.0, 60.0);
    let targets = [3, 9, -1, 0, 1];
    (z[3 * cols + 7], z[4 * cols + 7]) = (30.0, 30.0);
    let weights = [0.5, 0.25, 7.0, 0.125, 1.0];
    let (mut dz, mut losses) = (vec![f32::NAN; z.len()], vec![f64::NAN; rows]);
    let hits = cross_entropy_rows(&z, cols, &targets, &weights, Some(&mut dz), &mut losses);
    assert_eq!(hits, 1);
    for row in 0..rows {
        let (z, dz) = (&z[row * cols..][..cols], &dz[row * cols..][..cols]);
        let Ok(target) = usize::try_from(targets[row]) else {
            assert!(losses[row] == 0.0 && dz.iter().all(|&d| d == 0.0));
            continue;
        };
        let total: f64 = z.iter().map(|&z| f64::from(z).exp()).sum();
        let weight = f64::from(weights[row]);
        let loss = weight * (total.ln() - f64::from(z[target]));
        assert!((losses[row] - loss).abs() < 1e-12, "{row}");
        for (i, (&z, &dz)) in z.iter().zip(dz).enumerate() {
            let onehot = f64::from(u8::from(i == target));
            assert!((f64::from(dz) - weight * (f64::from(z).exp() / total - onehot)).abs() < 1e-7);
        }
    }
}

/// Two steps by hand, in f64, of the published update (Loshchilov and Hutter, arXiv 1711.05101).
#[test]
fn adamw_by_hand() {
    let (lr, b1, b2, eps, wd) = (1e-2, 0.9, 0.98, 1e-8, 0.5);
    let (mut p, mut m, mut v) = (vec![0.7f32; 20], vec![0.0; 20], vec![0.0; 20]);
    let (mut p64, mut m64, mut v64) = (0.7f64, 0.0, 0.0);
    for (step, g) in [(1, 0.3f64), (2, -0.2)] {
        let hyper = AdamHyper::new(lr, b1, b2, eps, wd, step);
        adamw(&mut p, &[g as f32; 20], &mut m, &mut v, &hyper);
        p64 *= 1.0 - lr * wd;
        m64 = b1 * m64 + (1.0 - b1) * g;
        v64 = b2 * v64 + (1.0 - b2) * g * g;
        let (mh, vh) = (m64 / (1.0 - b1.powi(step as i32)), v64 / (1.0 - b2.powi(step as i32)));
        p64 -= lr * mh / (vh.sqrt() + eps);
    }
    assert!(p.iter().all(|&p| (f64::from(p) - p64).abs() < 1e-6));
}

#[test]
fn weight_quantisers() {
    let w = [0.5, 0.51, -0.5, -0.51, 0.0, 7.0, -7.0, f32::NAN];
    let (mut codes, mut eff) = ([9; 8], [9.0; 8]);
    quantize_ternary(&w, 0.0, 1.0, &mut codes, &mut eff);
    assert_eq!(codes, [0, 1, 0, -1, 0, 1, -1, 0]);
    quantize_ternary(&w, 0.5, 2.0, &mut codes, &mut eff);
    assert_eq!(codes, [0, 0, 0, -1, 0, 1, -1, 0]);
    assert_eq!(eff[5..7], [2.0, -2.0]);
    quantize_binary(&w, 0.5, 0.25, true, &mut codes, &mut eff);
    assert_eq!((codes[..4].to_vec(), eff[0]), (vec![0, 1, -1, -1], 0.0));
    quantize_binary(&w, 0.5, 0.25, false, &mut codes, &mut eff);
    assert_eq!((codes[..2].to_vec(), eff[0]), (vec![-1, 1], -0.25));
    assert_eq!(count_diff(&[1, 0, -1], &[1, 1, 1]), 2);
}

#[test]
fn activation_quantiser() {
    let x = [127.0, 0.5, 1.5, -2.5, -126.5, 0.0, 1e-7, 0.0, 0.0, 0.0];
    let (mut codes, mut scales) = ([9; 10], [0.0; 2]);
    quantize_act_rows(&x, 5, &mut codes, &mut scales);
    // Half to even; a row below the floor of 1e-5 is scaled by the floor.
    assert_eq!(codes, [127, 0, 2, -2, -126, 0, 1, 0, 0, 0]);
    assert_eq!(scales[0], 1.0);
    assert!((scales[1] - 1e-5 / 127.0).abs() < 1e-12);
}

#[test]
fn packed_products_against_unpacked_ones() {
    for format in Format::ALL {
        for (rows, cols, m) in [(3, 1, 2), (5, 300, 1), (4, 641, 5)] {
            let digit = |i: usize| (i * i * 31 + i) % 7 % 3;
            let codes: Vec<i8> = (0..rows * cols)
                .map(|i| {
                    if format == Format::Binary {
                        2 * (digit(i) as i8 % 2) - 1
                    } else {
                        digit(i) as i8 - 1
                    }
                })
                .collect();
            let mut w = vec![0; rows * row_bytes(format, cols)];
            pack(format, &codes, rows, cols, &mut w).unwrap();
            let xi: Vec<i8> = (0..m * cols).map(|i| (i * 37 % 256) as u8 as i8).collect();
            let xf: Vec<f32> = xi.iter().map(|&x| f32::from(x)).collect();
            let (mut yi, mut yf) = (vec![0; m * rows], vec![0.0; m * rows]);
            packed_matmul_i8(format, &w, rows, cols, &xi, m, &mut yi);
            packed_matmul_f32(format, &w, rows, cols, 0.5, &xf, m, &mut yf);
            for i in 0..m {
                for r in 0..rows {
                    let product =
                        |j: usize| i32::from(codes[r * cols + j]) * i32::from(xi[i * cols + j]);
                    let exact: i32 = (0..cols).map(product).sum();
                    assert_eq!(yi[i * rows + r], exact);
                    // Integers this small are exact in f32 too.
                    assert_eq!(yf[i * rows + r], 0.5 * exact as f32);
                }
            }
        }
    }
}

#[test]
#[should_panic(expected = "y has 3 elements, expected 4")]
fn wrong_length() {
    packed_matmul_i8(Format::Binary, &[0; 64], 2, 5, &[0; 10], 2, &mut [0; 3]);
}

#[test]
#[should_panic(expected = "a target is not below 2")]
fn wrong_target() {
    cross_entropy_rows(&[0.0; 2], 2, &[2], &[1.0], None, &mut [0.0]);
}

#[test]
#[should_panic(expected = "not whole rows of 3 columns")]
fn part_of_a_row() {
    softmax_rows(&[0.0; 4], 3, &mut [0.0; 4]);
}

/// A shape whose size wraps around must not pass for a small one.
#[test]
#[should_panic(expected = "w has 0 elements")]
fn enormous_shape() {
    packed_matmul_i8(Format::Binary, &[], usize::MAX / 32 + 1, 1, &[], 0, &mut []);
}

/// A name that cannot run stops the program instead of running something else.
#[test]
fn an_unknown_isa_is_refused() {
    let this = std::env::current_exe().unwrap();
    let run = |isa: &str| {
        let mut command = std::process::Command::new(&this);
        command.args(["--exact", "sums"]).env("TRITLENS_ISA", isa).output().unwrap()
    };
    assert!(run("scalar").status.success());
    let refused = run("sse9");
    assert!(!refused.status.success());
    let output = String::from_utf8_lossy(&refused.stdout).into_owned();
    assert!(output.contains("TRITLENS_ISA=sse9 cannot run here"), "{output}");
}
