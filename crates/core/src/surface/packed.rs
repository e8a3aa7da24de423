//! The part of the surface that works with packed layers.

use serde::Serialize;
use std::sync::Mutex;

use tritlens_kernels::Format;

use super::{Table, close, copy, find, insert, lock, text};
use crate::error::{CoreError, Result, codes};
use crate::formats;
use crate::packed::{Activations, PackedLinear, PackedShape, aligned};

static LAYERS: Table<Mutex<PackedLinear>> = Table::new(Vec::new());

fn with_layer<T>(handle: u32, f: impl FnOnce(&mut PackedLinear) -> Result<T>) -> Result<T> {
    let layer = find(&LAYERS, handle, "packed layer")?;
    f(&mut *lock(&layer, "packed layer")?)
}

pub(super) fn format_of(name: &str) -> Result<Format> {
    let names = Format::ALL.map(Format::name);
    Format::ALL.into_iter().find(|f| f.name() == name).ok_or_else(|| {
        CoreError::new(codes::NAME, format!("products have no packed format called {name}"))
            .expected(names.join(", "), name)
            .nearest(formats::nearest(name, &names))
    })
}

/// Opens a layer from packed codes, scales and shifts.
pub fn open_packed(
    format: &str,
    rows: u32,
    cols: u32,
    group: u32,
    packed: &[u8],
    scales: &[f32],
    shifts: &[f32],
) -> Result<u32> {
    let shape = PackedShape::new(rows as usize, cols as usize, group as usize)?;
    let (scales, shifts) = (scales.to_vec(), shifts.to_vec());
    let mut bytes = aligned(packed.len())?;
    bytes.copy_from_slice(packed);
    let layer = PackedLinear::new(format_of(format)?, shape, bytes, scales, shifts)?;
    Ok(insert(&LAYERS, Mutex::new(layer)))
}

/// Opens a layer from codes -1, 0, +1.
pub fn open_packed_codes(
    format: &str,
    rows: u32,
    cols: u32,
    group: u32,
    codes: &[i8],
    scales: &[f32],
    shifts: &[f32],
) -> Result<u32> {
    let shape = PackedShape::new(rows as usize, cols as usize, group as usize)?;
    let (scales, shifts) = (scales.to_vec(), shifts.to_vec());
    let layer = PackedLinear::from_codes(format_of(format)?, shape, codes, scales, shifts)?;
    Ok(insert(&LAYERS, Mutex::new(layer)))
}

/// Opens a layer from another program's bytes.
pub fn import_packed(
    layout: &str,
    format: &str,
    rows: u32,
    cols: u32,
    scale: f64,
    bytes: &[u8],
) -> Result<u32> {
    let (rows, cols) = (rows as usize, cols as usize);
    let layer = PackedLinear::import(layout, format_of(format)?, rows, cols, scale as f32, bytes)?;
    Ok(insert(&LAYERS, Mutex::new(layer)))
}

/// Writes a layer in another program's layout; returns its scale.
pub fn export_packed(layer: u32, layout: &str, out: &mut [u8]) -> Result<f64> {
    with_layer(layer, |l| Ok(f64::from(l.export(layout, out)?)))
}

#[derive(Serialize)]
struct Description {
    format: &'static str,
    rows: usize,
    cols: usize,
    group: usize,
    bytes: usize,
    scales: usize,
    shifts: usize,
}

/// Format, shape and numbers of bytes, scales and shifts: JSON.
pub fn describe_packed(layer: u32) -> Result<String> {
    with_layer(layer, |l| {
        let s = l.shape();
        text(&Description {
            format: l.format().name(),
            rows: s.rows,
            cols: s.cols,
            group: s.group,
            bytes: l.bytes().len(),
            scales: l.scales().len(),
            shifts: l.shifts().len(),
        })
    })
}

/// Reads the packed bytes.
pub fn read_packed_bytes(layer: u32, out: &mut [u8]) -> Result<()> {
    with_layer(layer, |l| copy("packed bytes", l.bytes(), out))
}

/// Reads the codes `[rows, cols]`.
pub fn read_packed_codes(layer: u32, out: &mut [i8]) -> Result<()> {
    with_layer(layer, |l| l.codes(out))
}

/// Reads the scales (kind 0) or shifts (kind 1).
pub fn read_packed_scales(layer: u32, kind: u32, out: &mut [f32]) -> Result<()> {
    with_layer(layer, |l| match kind {
        0 => copy("scales", l.scales(), out),
        1 => copy("shifts", l.shifts(), out),
        _ => Err(CoreError::new(codes::RANGE, "unknown kind of numbers")
            .expected("0 (scales) or 1 (shifts)", kind)),
    })
}

/// y = x W^T, activations as they are or quantised to int8.
pub fn packed_forward(layer: u32, x: &[f32], m: u32, int8: bool, y: &mut [f32]) -> Result<()> {
    let how = if int8 { Activations::Int8 } else { Activations::F32 };
    with_layer(layer, |l| l.forward(x, m as usize, how, y))
}

/// dx = dy W.
pub fn packed_backward(layer: u32, dy: &[f32], m: u32, dx: &mut [f32]) -> Result<()> {
    with_layer(layer, |l| l.backward(dy, m as usize, dx))
}

/// Signs times signs: both sides packed as `binary`.
pub fn binary_matmul(
    packed: &[u8],
    rows: u32,
    cols: u32,
    x: &[u8],
    m: u32,
    y: &mut [i32],
) -> Result<()> {
    let (rows, cols, m) = (rows as usize, cols as usize, m as usize);
    let width = tritlens_kernels::row_bytes(Format::Binary, cols);
    crate::error::check_len("packed", rows.saturating_mul(width), packed.len())?;
    crate::error::check_len("x", m.saturating_mul(width), x.len())?;
    crate::error::check_len("y", m.saturating_mul(rows), y.len())?;
    tritlens_kernels::binary_matmul_bits(packed, rows, cols, x, m, y);
    Ok(())
}

/// Closes a layer. Closing twice is allowed.
pub fn close_packed(layer: u32) -> Result<()> {
    close(&LAYERS, layer);
    Ok(())
}
