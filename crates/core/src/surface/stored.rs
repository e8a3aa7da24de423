//! The part of the surface that fills and reads stored matrices: those of a checkpoint, which keep their format.
//!
//! A matrix is filled in pieces (`open_stored`, `write_stored`, `finish_stored`), so that no copy of a file is ever needed beside the matrix itself.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{copy, param, text, with_program};
use crate::error::{CoreError, Result, check_len, codes};
use crate::packed::PackedShape;
use crate::stored::{Filling, Stored, StoredInfo};

/// Matrices that are being filled, and of which program and parameter. A few at a time: as many as a loader reads side by side.
static FILLINGS: Mutex<Vec<((u32, u32), Filling)>> = Mutex::new(Vec::new());

fn fillings() -> MutexGuard<'static, Vec<((u32, u32), Filling)>> {
    FILLINGS.lock().unwrap_or_else(PoisonError::into_inner)
}

fn not_open() -> CoreError {
    CoreError::new(codes::CLOSED, "no matrix is being filled for this parameter")
        .expected("openStored before", "a parameter that is not open")
}

/// Forgets what a program's matrices were being filled with.
pub(super) fn drop_fillings(program: u32) {
    fillings().retain(|((p, _), _)| *p != program);
}

/// Bytes of a matrix in a format.
pub fn stored_bytes(format: &str, rows: u32, cols: u32) -> Result<f64> {
    Ok(Stored::bytes_of(format, rows as usize, cols as usize)? as f64)
}

/// Begins to fill a stored parameter.
pub fn open_stored(program: u32, index: u32, format: &str, scale: f64) -> Result<()> {
    let filling = with_program(program, |p| {
        let place = p.params.stored_place(param(p, index)?)?;
        Stored::filling(format, place.shape[0], place.shape[1], scale as f32)
    })?;
    let key = (program, index);
    let mut all = fillings();
    all.retain(|(k, _)| *k != key);
    all.push((key, filling));
    Ok(())
}

/// Writes bytes of a matrix that is being filled.
pub fn write_stored(program: u32, index: u32, offset: f64, bytes: &[u8]) -> Result<()> {
    let offset = super::integer("offset", offset)?;
    let offset = usize::try_from(offset)
        .map_err(|_| CoreError::new(codes::RANGE, "offset is out of range"))?;
    let mut all = fillings();
    let found = all.iter_mut().find(|(key, _)| *key == (program, index));
    found.ok_or_else(not_open)?.1.write(offset, bytes)
}

/// Checks what was written and puts the matrix in place.
pub fn finish_stored(program: u32, index: u32) -> Result<()> {
    let filling = {
        let mut all = fillings();
        let at = all.iter().position(|(key, _)| *key == (program, index)).ok_or_else(not_open)?;
        all.swap_remove(at).1
    };
    let matrix = filling.finish()?;
    with_program(program, |p| {
        let i = param(p, index)?;
        p.params.store(i, matrix)
    })
}

/// Puts packed codes in place.
pub fn set_stored_codes(
    program: u32,
    index: u32,
    format: &str,
    group: u32,
    codes: &[i8],
    scales: &[f32],
    shifts: &[f32],
) -> Result<()> {
    let format = super::packed::format_of(format)?;
    with_program(program, |p| {
        let i = param(p, index)?;
        let place = p.params.stored_place(i)?;
        let shape = PackedShape::new(place.shape[0], place.shape[1], group as usize)?;
        let matrix = Stored::from_codes(format, shape, codes, scales.to_vec(), shifts.to_vec())?;
        p.params.store(i, matrix)
    })
}

/// The matrix of a stored parameter.
pub(super) fn matrix(program: u32, index: u32) -> Result<Arc<Stored>> {
    with_program(program, |p| {
        let i = param(p, index)?;
        let place = p.params.stored_place(i)?;
        p.params.stored(i).cloned().ok_or_else(|| {
            CoreError::new(codes::SPEC, format!("parameter {} is empty", place.name))
        })
    })
}

/// Format, shape and sizes of a stored parameter: JSON; an empty format while nothing is loaded.
pub fn describe_stored(program: u32, index: u32) -> Result<String> {
    with_program(program, |p| {
        let i = param(p, index)?;
        let place = p.params.stored_place(i)?;
        let (rows, cols) = (place.shape[0], place.shape[1]);
        let empty = StoredInfo { format: "", bytes: 0, rows, cols, group: 0, scales: 0, shifts: 0 };
        text(&p.params.stored(i).map_or(empty, |m| m.info()))
    })
}

/// Rows of a stored matrix as f32.
pub fn read_stored_rows(
    program: u32,
    index: u32,
    first: u32,
    count: u32,
    out: &mut [f32],
) -> Result<()> {
    let m = matrix(program, index)?;
    let (first, count) = (first as usize, count as usize);
    if first.checked_add(count).is_none_or(|end| end > m.rows()) {
        return Err(CoreError::new(codes::RANGE, "rows are out of range")
            .expected(format!("rows below {}", m.rows()), format!("{first} + {count}")));
    }
    check_len("room for rows", count * m.cols(), out.len())?;
    m.rows_into(first, count, out)
}

/// Codes of a packed stored matrix.
pub fn read_stored_codes(program: u32, index: u32, out: &mut [i8]) -> Result<()> {
    let m = matrix(program, index)?;
    check_len("room for codes", m.rows() * m.cols(), out.len())?;
    m.codes(out)
}

/// Scales (kind 0) or shifts (kind 1) of a stored matrix.
pub fn read_stored_scales(program: u32, index: u32, kind: u32, out: &mut [f32]) -> Result<()> {
    let m = matrix(program, index)?;
    match kind {
        0 => copy("scales", m.scales(), out),
        1 => copy("shifts", m.shifts(), out),
        _ => Err(CoreError::new(codes::RANGE, "unknown kind of numbers")
            .expected("0 (scales) or 1 (shifts)", kind)),
    }
}

/// Writes a stored matrix in another layout; returns its scale.
pub fn export_stored(program: u32, index: u32, layout: &str, out: &mut [u8]) -> Result<f64> {
    Ok(f64::from(matrix(program, index)?.export(layout, out)?))
}

/// Whether a parameter is a stored one.
pub(super) fn is_stored(program: u32, index: u32) -> Result<bool> {
    with_program(program, |p| Ok(p.params.places()[param(p, index)?].stored))
}

/// All of a stored matrix as f32.
pub(super) fn read_whole(program: u32, index: u32, out: &mut [f32]) -> Result<()> {
    let m = matrix(program, index)?;
    check_len("room for the matrix", m.rows() * m.cols(), out.len())?;
    m.rows_into(0, m.rows(), out)
}

/// Codes of a packed stored matrix that has one scale, and that scale.
pub(super) fn codes_and_scale(program: u32, index: u32, out: &mut [i8]) -> Result<f64> {
    read_stored_codes(program, index, out)?;
    match (matrix(program, index)?.scales(), matrix(program, index)?.shifts()) {
        ([scale], []) => Ok(f64::from(*scale)),
        _ => Err(CoreError::new(codes::FORMAT, "the matrix has more than one scale")
            .expected("readStoredCodes and readStoredScales", "paramCodes")),
    }
}
