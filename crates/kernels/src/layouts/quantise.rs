//! Reference quantisers of the GGUF blocks: f32 values to codes and a scale.
//!
//! Bit-exact with the references, so the order of operations is theirs: multiply by the reciprocal where they do, round half away
//! from zero (C's `roundf`), sum one after the other.

use super::BlockFormat;

/// Codes of one block; returns the scale before it is rounded to fp16.
pub(super) fn block(format: BlockFormat, values: &[f32], codes: &mut [i8]) -> f32 {
    match format {
        BlockFormat::Tq1_0 | BlockFormat::Tq2_0 | BlockFormat::Q2_0 => by_max(values, codes, 1.0),
        BlockFormat::Q8_0 => by_max(values, codes, 127.0),
        BlockFormat::Q4_0 => q4_0(values, codes),
        BlockFormat::Q1_0 => q1_0(values, codes),
    }
}

fn reciprocal(scale: f32) -> f32 {
    if scale == 0.0 { 0.0 } else { 1.0 / scale }
}

/// scale = max|x| / levels, code = round(x / scale).
fn by_max(values: &[f32], codes: &mut [i8], levels: f32) -> f32 {
    let max = values.iter().fold(0.0, |max, &x| if x.abs() > max { x.abs() } else { max });
    let scale = max / levels;
    let inverse = reciprocal(scale);
    for (code, &x) in codes.iter_mut().zip(values) {
        // A scale below 2^-128 has an infinite reciprocal; it becomes 0 in fp16, so the codes only have to be valid.
        *code = (x * inverse).clamp(-levels, levels).round() as i8;
    }
    scale
}

/// scale = (the value of largest magnitude) / -8, code = trunc(x / scale + 8.5) - 8, in gguf-py's mix of f32 and f64.
fn q4_0(values: &[f32], codes: &mut [i8]) -> f32 {
    let extreme = values.iter().fold(0.0f32, |top, &x| if x.abs() > top.abs() { x } else { top });
    let scale = extreme / -8.0;
    let inverse = f64::from(reciprocal(scale));
    for (code, &x) in codes.iter_mut().zip(values) {
        let level = (f64::from(x) * inverse + 8.5) as f32;
        *code = level.clamp(0.0, 15.0) as i8 - 8;
    }
    scale
}

/// scale = mean|x|, code = sign with zero counted as positive.
fn q1_0(values: &[f32], codes: &mut [i8]) -> f32 {
    for (code, &x) in codes.iter_mut().zip(values) {
        *code = if x >= 0.0 { 1 } else { -1 };
    }
    values.iter().fold(0.0, |sum, x| sum + x.abs()) / values.len() as f32
}
