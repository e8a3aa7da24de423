//! Elementwise functions and the gated unit.

use crate::program::spec::ActFn;
use tritlens_kernels as k;

/// y = f(x).
pub fn forward(f: ActFn, x: &[f32], y: &mut [f32]) {
    match f {
        ActFn::Relu => k::relu(x, y),
        ActFn::Relu2 => {
            k::relu(x, y);
            for v in y.iter_mut() {
                *v *= *v;
            }
        }
        ActFn::Gelu => k::gelu(x, y),
        ActFn::GeluNew => k::gelu_new(x, y),
        ActFn::Silu => k::silu(x, y),
    }
}

/// dx += f'(x) dy.
pub fn backward(f: ActFn, x: &[f32], dy: &[f32], dx: &mut [f32]) {
    match f {
        ActFn::Relu => k::relu_back(x, dy, dx),
        ActFn::Relu2 => {
            for ((d, &x), &g) in dx.iter_mut().zip(x).zip(dy) {
                *d += if x > 0.0 { 2.0 * x * g } else { 0.0 };
            }
        }
        ActFn::Gelu => k::gelu_back(x, dy, dx),
        ActFn::GeluNew => k::gelu_new_back(x, dy, dx),
        ActFn::Silu => k::silu_back(x, dy, dx),
    }
}

/// dx = f'(x) dy, where dx holds nothing yet.
pub fn backward_first(f: ActFn, x: &[f32], dy: &[f32], dx: &mut [f32]) {
    if f == ActFn::Relu {
        for ((d, &x), &g) in dx.iter_mut().zip(x).zip(dy) {
            *d = if x > 0.0 { g } else { 0.0 };
        }
    } else {
        dx.fill(0.0);
        backward(f, x, dy, dx);
    }
}

/// y `[N, C]` = f(gate) * up + b.
pub fn glu_forward(f: ActFn, gate: &[f32], up: &[f32], b: Option<&[f32]>, y: &mut [f32]) {
    forward(f, gate, y);
    y.iter_mut().zip(up).for_each(|(y, u)| *y *= u);
    if let Some(b) = b {
        y.chunks_exact_mut(b.len()).for_each(|y| k::add(b, y));
    }
}

/// Elements of a gated unit's backward pass that are handled at a time, on the stack.
const PIECE: usize = 256;

/// dgate += f'(gate) up dy.
pub fn glu_backward_gate(f: ActFn, gate: &[f32], up: &[f32], dy: &[f32], dgate: &mut [f32]) {
    let mut product = [0.0; PIECE];
    let inputs = gate.chunks(PIECE).zip(up.chunks(PIECE)).zip(dy.chunks(PIECE));
    for (((gate, up), dy), dgate) in inputs.zip(dgate.chunks_mut(PIECE)) {
        let product = &mut product[..gate.len()];
        product.iter_mut().zip(up).zip(dy).for_each(|((p, u), g)| *p = u * g);
        backward(f, gate, product, dgate);
    }
}

/// dup += f(gate) dy.
pub fn glu_backward_up(f: ActFn, gate: &[f32], dy: &[f32], dup: &mut [f32]) {
    let mut value = [0.0; PIECE];
    let inputs = gate.chunks(PIECE).zip(dy.chunks(PIECE));
    for ((gate, dy), dup) in inputs.zip(dup.chunks_mut(PIECE)) {
        let value = &mut value[..gate.len()];
        forward(f, gate, value);
        dup.iter_mut().zip(&*value).zip(dy).for_each(|((d, v), g)| *d += v * g);
    }
}
