//! The part of the surface that needs no handle: packed formats, quantisers, matrix products and random numbers over slices.

use crate::error::{CoreError, Result, check_len, codes};
use crate::formats;
use crate::quant::Quant;
use crate::rng::Rng;
use crate::surface::integer;

/// Bytes of a packed matrix.
pub fn packed_bytes(format: &str, rows: u32, cols: u32) -> Result<f64> {
    Ok(formats::packed_bytes(format, rows as usize, cols as usize)? as f64)
}

/// Packs codes.
pub fn pack_codes(
    format: &str,
    codes: &[i8],
    rows: u32,
    cols: u32,
    scale: f64,
    out: &mut [u8],
) -> Result<()> {
    formats::pack(format, codes, rows as usize, cols as usize, scale as f32, out)
}

/// Unpacks codes.
pub fn unpack_codes(
    format: &str,
    packed: &[u8],
    rows: u32,
    cols: u32,
    out: &mut [i8],
) -> Result<()> {
    formats::unpack(format, packed, rows as usize, cols as usize, out)
}

/// Quantises floats into GGUF blocks.
pub fn quantize_blocks(format: &str, values: &[f32], cols: u32, out: &mut [u8]) -> Result<()> {
    formats::quantize_blocks(format, values, cols as usize, out)
}

/// Dequantises GGUF blocks.
pub fn dequantize_blocks(format: &str, packed: &[u8], cols: u32, out: &mut [f32]) -> Result<()> {
    formats::dequantize_blocks(format, packed, cols as usize, out)
}

/// y = scale x W^T with packed W and f32 activations.
pub fn packed_matmul(
    format: &str,
    packed: &[u8],
    rows: u32,
    cols: u32,
    scale: f64,
    x: &[f32],
    m: u32,
    y: &mut [f32],
) -> Result<()> {
    let shape = formats::Shape { rows: rows as usize, cols: cols as usize, m: m as usize };
    formats::matmul_f32(format, packed, shape, scale as f32, x, y)
}

/// y = x W^T in integers.
pub fn packed_matmul_int8(
    format: &str,
    packed: &[u8],
    rows: u32,
    cols: u32,
    x: &[i8],
    m: u32,
    y: &mut [i32],
) -> Result<()> {
    let shape = formats::Shape { rows: rows as usize, cols: cols as usize, m: m as usize };
    formats::matmul_i8(format, packed, shape, x, y)
}

/// int8 codes and scales of each row.
pub fn quantize_activations(
    x: &[f32],
    rows: u32,
    cols: u32,
    codes: &mut [i8],
    scales: &mut [f32],
) -> Result<()> {
    let len = product("x", rows as usize, cols as usize)?;
    check_len("x", len, x.len())?;
    check_len("codes", len, codes.len())?;
    check_len("scales", rows as usize, scales.len())?;
    if cols > 0 {
        tritlens_kernels::quantize_act_rows(x, cols as usize, codes, scales);
    }
    Ok(())
}

/// Codes of a latent matrix under a quantiser; returns the scale.
pub fn quantize_weights(quant: &str, w: &[f32], codes: &mut [i8]) -> Result<f64> {
    let quant = Quant::from_name(quant).ok_or_else(|| {
        let names = Quant::ALL.map(Quant::name);
        CoreError::new(codes::NAME, format!("no quantiser is called {quant}"))
            .expected(names.join(", "), quant)
            .nearest(formats::nearest(quant, &names))
    })?;
    check_len("codes", w.len(), codes.len())?;
    let mut effective = crate::error::zeros(w.len())?;
    Ok(f64::from(quant.forward(w, codes, &mut effective)))
}

/// c = a b.
pub fn matmul(a: &[f32], b: &[f32], m: u32, k: u32, n: u32, out: &mut [f32]) -> Result<()> {
    let (m, k, n) = (m as usize, k as usize, n as usize);
    check_len("a", product("a", m, k)?, a.len())?;
    check_len("b", product("b", k, n)?, b.len())?;
    check_len("out", product("out", m, n)?, out.len())?;
    if k == 0 {
        out.fill(0.0);
    } else {
        tritlens_kernels::matmul(m, n, k, a, b, 0.0, out);
    }
    Ok(())
}

fn product(what: &str, a: usize, b: usize) -> Result<usize> {
    a.checked_mul(b).ok_or_else(|| {
        CoreError::new(codes::SHAPE, format!("shape of {what} is too large"))
            .expected("a product that fits the machine", format!("{a} x {b}"))
    })
}

/// Numbers of the counter-based generator: uniform (kind 0) or normal (kind 1).
pub fn random(seed: f64, stream: f64, kind: u32, out: &mut [f32]) -> Result<()> {
    let rng = Rng::new(integer("seed", seed)?, integer("stream", stream)?);
    let draw: fn(Rng, u64) -> f64 = match kind {
        0 => Rng::uniform,
        1 => Rng::normal,
        _ => {
            return Err(CoreError::new(codes::RANGE, "unknown kind of random numbers")
                .expected("0 (uniform) or 1 (normal)", kind));
        }
    };
    for (i, x) in out.iter_mut().enumerate() {
        *x = draw(rng, i as u64) as f32;
    }
    Ok(())
}
