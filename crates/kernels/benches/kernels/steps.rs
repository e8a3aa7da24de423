//! The fused and elementwise kernels of training: one closure each, which runs the kernel once and returns a digest of a sample of its result.

use tritlens_kernels::{AdamHyper, Kernels};

use super::case::Case;
use super::host;
use super::inputs::{activations, floats};
use super::request::Request;
use super::serve::{scalar, table_named};

/// Runs a kernel; equal inputs give equal digests.
type Step = Box<dyn FnMut(&Kernels) -> u64>;

/// A kernel's name, the shape it is measured at, and how to make it.
pub(crate) struct Known {
    pub(crate) name: &'static str,
    pub(crate) rows: usize,
    pub(crate) cols: usize,
    make: fn(usize, usize) -> Step,
}

/// Every kernel here, with shapes of the full-batch training step and of a layer of 2,560.
pub(crate) const STEPS: [Known; 10] = [
    Known { name: "adamw", rows: 1, cols: 225_792, make: adamw },
    Known { name: "cross_entropy", rows: 3830, cols: 113, make: cross_entropy },
    Known { name: "cross_entropy", rows: 512, cols: 1024, make: cross_entropy },
    Known { name: "softmax", rows: 4096, cols: 64, make: softmax },
    Known { name: "softmax", rows: 65_536, cols: 3, make: softmax },
    Known { name: "quantize_act_rows", rows: 1, cols: 2560, make: quantize_act_rows },
    Known { name: "quantize_act_rows", rows: 512, cols: 2560, make: quantize_act_rows },
    Known { name: "quantize_ternary", rows: 1, cols: 65_536, make: quantize_ternary },
    Known { name: "sum_abs", rows: 1, cols: 65_536, make: sum_abs },
    Known { name: "count_diff", rows: 1, cols: 65_536, make: count_diff },
];

/// Changes when any bit of some 256 numbers of the result does; the whole result is compared in tests/agree.rs.
fn digest<T: Copy>(values: &[T], bits: impl Fn(T) -> u64) -> u64 {
    let sample = values.iter().step_by(values.len() / 256 + 1);
    sample.fold(17, |h: u64, &x| h.wrapping_mul(1_099_511_628_211).wrapping_add(bits(x)))
}

fn digest_f32(values: &[f32]) -> u64 {
    digest(values, |x| u64::from(x.to_bits()))
}

fn adamw(rows: usize, cols: usize) -> Step {
    let g = floats(rows * cols);
    let (mut p, mut m, mut v) = (g.clone(), g.clone(), vec![0.5; g.len()]);
    let hyper = AdamHyper::new(1e-3, 0.9, 0.98, 1e-8, 1.0, 7);
    Box::new(move |table| {
        table.adamw(&mut p, &g, &mut m, &mut v, &hyper);
        digest_f32(&p)
    })
}

fn cross_entropy(rows: usize, cols: usize) -> Step {
    let logits = floats(rows * cols);
    let targets: Vec<i32> = (0..rows).map(|row| (row % cols) as i32).collect();
    let weights = vec![1.0 / rows as f32; rows];
    let (mut gradient, mut losses) = (vec![0.0; rows * cols], vec![0.0; rows]);
    Box::new(move |table| {
        let out = Some(&mut gradient[..]);
        let hits = table.cross_entropy_rows(&logits, cols, &targets, &weights, out, &mut losses);
        digest_f32(&gradient) ^ digest(&losses, f64::to_bits) ^ hits
    })
}

fn softmax(rows: usize, cols: usize) -> Step {
    let x = floats(rows * cols);
    let mut y = vec![0.0; x.len()];
    Box::new(move |table| {
        table.softmax_rows(&x, cols, &mut y);
        digest_f32(&y)
    })
}

fn quantize_act_rows(rows: usize, cols: usize) -> Step {
    let x = floats(rows * cols);
    let (mut codes, mut scales) = (vec![0; x.len()], vec![0.0; rows]);
    Box::new(move |table| {
        table.quantize_act_rows(&x, cols, &mut codes, &mut scales);
        digest(&codes, |x| x as u64) ^ digest_f32(&scales)
    })
}

fn quantize_ternary(rows: usize, cols: usize) -> Step {
    let w = floats(rows * cols);
    let (mut codes, mut eff) = (vec![0; w.len()], vec![0.0; w.len()]);
    Box::new(move |table| {
        table.quantize_ternary(&w, 0.01, 0.5, &mut codes, &mut eff);
        digest(&codes, |x| x as u64) ^ digest_f32(&eff)
    })
}

fn sum_abs(rows: usize, cols: usize) -> Step {
    let x = floats(rows * cols);
    Box::new(move |table| table.sum_abs(&x).to_bits())
}

fn count_diff(rows: usize, cols: usize) -> Step {
    let a = activations(rows * cols);
    let b: Vec<i8> = a.iter().enumerate().map(|(i, &x)| if i % 5 == 0 { 0 } else { x }).collect();
    Box::new(move |table| table.count_diff(&a, &b))
}

/// The kernel `name` at a shape, after its first two results were compared with those of the scalar table.
pub(crate) fn case(
    name: &str,
    rows: usize,
    cols: usize,
    table: &'static Kernels,
) -> Result<Case, String> {
    let known = STEPS.iter().find(|step| step.name == name);
    let make = known.ok_or(format!("no kernel is named {name}"))?.make;
    let (mut step, mut expected) = (make(rows, cols), make(rows, cols));
    for _ in 0..2 {
        if step(table) != expected(scalar()) {
            return Err(format!("{name} on {} differs from scalar", table.name));
        }
    }
    let run = move |repeats| {
        let start = host::now();
        for _ in 0..repeats {
            std::hint::black_box(step(table));
        }
        host::now() - start
    };
    Ok(Case::new((rows * cols) as f64, run))
}

/// Opens `{"name":"step","kernel","rows","cols","isa"}`.
pub(crate) fn open(request: &Request) -> Result<Case, String> {
    let table = table_named(request.text("isa")?)?;
    case(request.text("kernel")?, request.count("rows")?, request.count("cols")?, table)
}
