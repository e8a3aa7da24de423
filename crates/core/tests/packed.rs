//! Packed layers against the same layer in f64: formats, scales, shifts, groups, both kinds of activations, threads, other programs' layouts, bad input.

use tritlens_core::error::codes;
use tritlens_core::formats::packed_bytes;
use tritlens_core::packed::{Activations, LAYOUTS, PackedLinear, PackedShape, aligned};
use tritlens_core::par;
use tritlens_core::rng::Rng;
use tritlens_kernels::Format;

fn numbers(stream: u64, len: usize) -> Vec<f32> {
    let rng = Rng::new(5, stream);
    (0..len).map(|i| rng.normal(i as u64) as f32).collect()
}

fn codes_of(format: Format, len: usize) -> Vec<i8> {
    let rng = Rng::new(5, 99);
    let draw = |i: usize| rng.uniform(i as u64);
    match format {
        Format::Binary => (0..len).map(|i| if draw(i) < 0.5 { -1 } else { 1 }).collect(),
        _ => (0..len).map(|i| (draw(i) * 3.0) as i8 - 1).collect(),
    }
}

struct Case {
    layer: PackedLinear,
    /// `[rows, cols]`, exact.
    dense: Vec<f64>,
}

fn case(format: Format, shape: PackedShape, scales: usize, shifts: bool) -> Case {
    let (rows, cols, groups) = (shape.rows, shape.cols, shape.groups());
    let found = codes_of(format, rows * cols);
    let scales: Vec<f32> = numbers(1, scales).iter().map(|s| s.abs() + 0.1).collect();
    let shifts = if shifts { numbers(2, rows * groups) } else { Vec::new() };
    let weight = |i: usize| {
        let (r, g) = (i / cols, i % cols / shape.group);
        let scale = match scales.len() {
            1 => scales[0],
            n if n == rows => scales[r],
            _ => scales[r * groups + g],
        };
        let shift = if shifts.is_empty() { 0.0 } else { shifts[r * groups + g] };
        f64::from(scale) * f64::from(found[i]) + f64::from(shift)
    };
    let dense = (0..rows * cols).map(weight).collect();
    let layer = PackedLinear::from_codes(format, shape, &found, scales, shifts).unwrap();
    Case { layer, dense }
}

fn cases() -> Vec<Case> {
    let mut out = Vec::new();
    for format in Format::ALL {
        for (rows, cols, group) in
            [(5, 7, 7), (12, 96, 32), (9, 130, 65), (33, 512, 256), (640, 520, 0)]
        {
            let shape = PackedShape::new(rows, cols, group).unwrap();
            for scales in [1, rows, rows * shape.groups()] {
                for shifts in [false, true] {
                    out.push(case(format, shape, scales, shifts));
                }
            }
        }
    }
    out
}

fn near(found: &[f32], exact: &[f64], tolerance: f64, what: &str) {
    let largest = exact.iter().fold(1e-30f64, |m, x| m.max(x.abs()));
    for (i, (f, e)) in found.iter().zip(exact).enumerate() {
        assert!((f64::from(*f) - e).abs() <= tolerance * largest, "{what}: [{i}] {f} for {e}");
    }
}

#[test]
fn forward_and_backward_are_those_of_the_dense_matrix() {
    for mut case in cases() {
        let shape = case.layer.shape();
        let (rows, cols) = (shape.rows, shape.cols);
        for m in [1, 3, 17] {
            let x = numbers(3, m * cols);
            let exact: Vec<f64> = (0..m * rows)
                .map(|i| {
                    let (x, w) =
                        (&x[i / rows * cols..][..cols], &case.dense[i % rows * cols..][..cols]);
                    x.iter().zip(w).map(|(x, w)| f64::from(*x) * w).sum()
                })
                .collect();
            let what = format!("{:?} {shape:?} m {m}", case.layer.format());
            let mut y = vec![f32::NAN; m * rows];
            case.layer.forward(&x, m, Activations::F32, &mut y).unwrap();
            near(&y, &exact, 1e-6, &what);
            case.layer.forward(&x, m, Activations::Int8, &mut y).unwrap();
            near(&y, &exact, 2e-2, &what);
            let dy = numbers(4, m * rows);
            let mut dx = vec![f32::NAN; m * cols];
            case.layer.backward(&dy, m, &mut dx).unwrap();
            let exact: Vec<f64> = (0..m * cols)
                .map(|i| {
                    (0..rows)
                        .map(|r| {
                            f64::from(dy[i / cols * rows + r]) * case.dense[r * cols + i % cols]
                        })
                        .sum()
                })
                .collect();
            near(&dx, &exact, 2e-6, &what);
        }
    }
}

/// int8 activations that are integers already lose nothing: the product is exact.
#[test]
fn int8_products_are_exact() {
    let shape = PackedShape::new(70, 300, 100).unwrap();
    let mut c = case(Format::Ternary2, shape, 1, false);
    let x: Vec<f32> = (0..300).map(|i| (i * 37 % 255) as f32 - 127.0).collect();
    let mut y = vec![0.0; 70];
    c.layer.forward(&x, 1, Activations::Int8, &mut y).unwrap();
    let exact: Vec<f64> =
        (0..70).map(|r| (0..300).map(|i| f64::from(x[i]) * c.dense[r * 300 + i]).sum()).collect();
    near(&y, &exact, 1e-6, "integers");
}

#[test]
fn threads_do_not_change_a_bit() {
    for m in [1, 3, 40] {
        let shape = PackedShape::new(1030, 768, 256).unwrap();
        let run = |threads| {
            par::set_threads(threads).unwrap();
            let mut c = case(Format::Ternary5, shape, 1030, true);
            let (x, dy) = (numbers(3, m * 768), numbers(4, m * 1030));
            let (mut y, mut z, mut dx) =
                (vec![0.0; m * 1030], vec![0.0; m * 1030], vec![0.0; m * 768]);
            c.layer.forward(&x, m, Activations::F32, &mut y).unwrap();
            c.layer.forward(&x, m, Activations::Int8, &mut z).unwrap();
            c.layer.backward(&dy, m, &mut dx).unwrap();
            [y, z, dx].concat().iter().map(|v| v.to_bits()).collect::<Vec<_>>()
        };
        let (one, two, three) = (run(1), run(2), run(3));
        par::set_threads(1).unwrap();
        assert!(one == two && one == three, "m {m}");
    }
}

#[test]
fn other_layouts_go_in_and_out_without_loss() {
    let (rows, cols) = (8, 512);
    for layout in LAYOUTS {
        let format = if layout == "q1_0" { Format::Binary } else { Format::Ternary2 };
        let found = codes_of(format, rows * cols);
        let mut bytes = vec![0; packed_bytes(layout, rows, cols).unwrap()];
        tritlens_core::formats::pack(layout, &found, rows, cols, 0.5, &mut bytes).unwrap();
        let layer = PackedLinear::import(layout, format, rows, cols, 0.5, &bytes).unwrap();
        assert_eq!(layer.scales(), [0.5], "{layout}: equal scales are one");
        let mut again = vec![0; bytes.len()];
        assert_eq!(layer.export(layout, &mut again).unwrap(), 0.5);
        assert_eq!(again, bytes, "{layout}");
    }
}

/// Blocks with scales of their own become groups.
#[test]
fn scales_of_blocks_are_kept() {
    let (rows, cols) = (4, 768);
    let values: Vec<f32> =
        numbers(7, rows * cols).iter().enumerate().map(|(i, v)| v * (1 + i / 256) as f32).collect();
    for (layout, format) in
        [("tq1_0", Format::Ternary5), ("tq2_0", Format::Ternary2), ("q1_0", Format::Binary)]
    {
        let mut bytes = vec![0; packed_bytes(layout, rows, cols).unwrap()];
        tritlens_core::formats::quantize_blocks(layout, &values, cols, &mut bytes).unwrap();
        let mut exact = vec![0.0; rows * cols];
        tritlens_core::formats::dequantize_blocks(layout, &bytes, cols, &mut exact).unwrap();
        let mut layer = PackedLinear::import(layout, format, rows, cols, 1.0, &bytes).unwrap();
        let mut again = vec![0; bytes.len()];
        layer.export(layout, &mut again).unwrap();
        assert_eq!(again, bytes, "{layout}");
        let x = numbers(8, cols);
        let mut y = vec![0.0; rows];
        layer.forward(&x, 1, Activations::F32, &mut y).unwrap();
        let dense: Vec<f64> = exact
            .chunks_exact(cols)
            .map(|w| w.iter().zip(&x).map(|(w, x)| f64::from(*w) * f64::from(*x)).sum())
            .collect();
        near(&y, &dense, 1e-6, layout);
        let error = layer.export("hf", &mut vec![0; rows * cols / 4]).unwrap_err();
        assert_eq!(error.code, codes::FORMAT, "{layout}");
    }
}

#[test]
fn bad_input_is_refused() {
    let shape = PackedShape::new(2, 128, 0).unwrap();
    let code = |r: Result<PackedLinear, tritlens_core::error::CoreError>| r.err().map(|e| e.code);
    let make = |bytes: Vec<u8>, scales, shifts| {
        let mut lines = aligned(bytes.len()).unwrap();
        lines.copy_from_slice(&bytes);
        PackedLinear::new(Format::Ternary2, shape, lines, scales, shifts)
    };
    let good = vec![0x55; 64];
    assert_eq!(code(make(good.clone(), vec![1.0], vec![])), None);
    assert_eq!(code(make(vec![0x55; 63], vec![1.0], vec![])), Some(codes::SHAPE));
    assert_eq!(code(make(good.clone(), vec![1.0; 3], vec![])), Some(codes::SHAPE));
    assert_eq!(code(make(good.clone(), vec![1.0], vec![0.0; 1])), Some(codes::SHAPE));
    assert_eq!(code(make(good.clone(), vec![f32::NAN], vec![])), Some(codes::NONFINITE));
    let mut bad = good.clone();
    bad[40] = 0b11 << 2;
    let error = make(bad, vec![1.0], vec![]).err().unwrap();
    assert_eq!(error.code, codes::FORMAT);
    assert!(error.message.contains("row 1"), "{error}");
    for (rows, cols, group) in [(0, 4, 0), (4, 0, 0), (4, 10, 3), (usize::MAX, 2, 0)] {
        assert_eq!(PackedShape::new(rows, cols, group).err().map(|e| e.code), Some(codes::SHAPE));
    }
    let mut layer = make(good, vec![0.0], vec![]).unwrap();
    let mut y = [7.0; 2];
    layer.forward(&[], 0, Activations::Int8, &mut []).unwrap();
    assert_eq!(
        layer.forward(&[0.0; 127], 1, Activations::F32, &mut y).unwrap_err().code,
        codes::SHAPE
    );
    layer.forward(&[1.0; 128], 1, Activations::Int8, &mut y).unwrap();
    assert_eq!(y, [0.0; 2], "a scale of zero");
    let mut x = [1.0; 256];
    x[3] = f32::INFINITY;
    let mut y = [7.0; 4];
    layer.forward(&x, 2, Activations::Int8, &mut y).unwrap();
    assert!(y[0].is_nan() && y[1].is_nan() && y[2] == 0.0, "{y:?}");
}
