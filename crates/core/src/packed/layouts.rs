//! Other programs' layouts in and out of a packed layer, without loss.
//!
//! | layout | codes | scales |
//! |---|---|---|
//! | `tq1_0`, `tq2_0` (GGUF) | ternary, blocks of 256 | one f16 a block: groups of 256 |
//! | `q1_0` (GGUF) | binary, blocks of 128 | one f16 a block: groups of 128 |
//! | `hf` (transformers' `BitNet`) | ternary, four rows a byte | one for the matrix, kept beside the bytes |
//! | `i2_s`, `i2_s_neon` (bitnet.cpp) | ternary | one f32 behind the bytes |
//!
//! Blocks that all have one scale become one scale for the matrix: the same numbers, and products without groups. A ternary block of nothing but zeros, whose scale says
//! nothing, does not count; the reference quantisers give it the scale 0, and so does [`PackedLinear::export`].

use tritlens_kernels::Format;
use tritlens_kernels::layouts::{
    BlockFormat, Foreign, I2sVariant, Layout, f16_to_f32, f32_to_f16, hf_pack, i2s_bytes, i2s_pack,
    pack_block_codes,
};

use super::{PackedLinear, PackedShape, aligned};
use crate::error::{CoreError, Result, check_len, codes, zeros};
use crate::{formats, par};

/// The layouts a layer can be read from and written to.
pub const LAYOUTS: [&str; 6] = ["tq1_0", "tq2_0", "q1_0", "hf", "i2_s", "i2_s_neon"];

fn layout(name: &str) -> Result<Layout> {
    Ok(match name {
        "tq1_0" => Layout::Blocks(BlockFormat::Tq1_0),
        "tq2_0" => Layout::Blocks(BlockFormat::Tq2_0),
        "q1_0" => Layout::Blocks(BlockFormat::Q1_0),
        "hf" => Layout::Hf,
        "i2_s" => Layout::I2s(I2sVariant::X86),
        "i2_s_neon" => Layout::I2s(I2sVariant::Neon),
        _ => {
            return Err(CoreError::new(
                codes::NAME,
                format!("no layout of packed layers is called {name}"),
            )
            .expected(LAYOUTS.join(", "), name)
            .nearest(formats::nearest(name, &LAYOUTS)));
        }
    })
}

fn wrong(e: &impl std::fmt::Display) -> CoreError {
    CoreError::new(codes::FORMAT, e.to_string())
}

/// Rows that one thread rearranges.
const PART: usize = 64;

/// Scales of blocks, and of how many columns each is: all, when all blocks have the same.
fn block_scales(
    foreign: &Foreign<'_>,
    whole: PackedShape,
    group: PackedShape,
) -> Result<(PackedShape, Vec<f32>)> {
    let scale = |block: usize| foreign.scale(block).unwrap_or(1.0);
    let count = foreign.scales();
    let idle = |block: usize| scale(block).is_finite() && foreign.all_zero(block);
    let first = (0..count).find(|&block| !idle(block)).map_or(scale(0), scale);
    let fits = |block: usize| scale(block).to_bits() == first.to_bits() || idle(block);
    if (0..count).all(fits) {
        return Ok((whole, vec![first]));
    }
    let mut scales = zeros(count)?;
    for (block, out) in scales.iter_mut().enumerate() {
        *out = scale(block);
    }
    Ok((group, scales))
}

impl PackedLinear {
    /// Reads a layer `[rows, cols]` from another program's bytes into `format`. `scale` is used by `hf` alone, whose bytes hold none.
    ///
    /// # Errors
    /// `E_NAME` for an unknown layout, `E_SHAPE` for wrong lengths, `E_FORMAT` for bytes that are no codes or codes that `format` cannot hold.
    pub fn import(
        layout_name: &str,
        format: Format,
        rows: usize,
        cols: usize,
        scale: f32,
        bytes: &[u8],
    ) -> Result<Self> {
        let whole = PackedShape::new(rows, cols, 0)?;
        check_len("packed", formats::packed_bytes(layout_name, rows, cols)?, bytes.len())?;
        let layout = layout(layout_name)?;
        let foreign = Foreign::new(layout, bytes, rows, cols).map_err(|e| wrong(&e))?;
        let (shape, scales) = match layout {
            Layout::Blocks(blocks) => {
                let group = PackedShape::new(rows, cols, blocks.block_values())?;
                block_scales(&foreign, whole, group)?
            }
            Layout::Hf | Layout::I2s(_) => (whole, vec![foreign.scale(0).unwrap_or(scale)]),
        };
        let mut packed = aligned(shape.bytes(format)?)?;
        let width = packed.len() / rows;
        let mut parts: Vec<_> = packed.chunks_mut(width * PART).map(|out| (out, Ok(()))).collect();
        par::for_each(&mut parts, |i, (out, result)| {
            *result = foreign.repack(format, shape.group, i * PART, out);
        });
        for (_, result) in parts {
            result.map_err(|e| wrong(&e))?;
        }
        Self::new(format, shape, packed, scales, Vec::new())
    }

    /// Writes the layer in another program's layout; returns the scale where the layout keeps it elsewhere (`hf`), else that of the first block.
    ///
    /// # Errors
    /// `E_NAME`, `E_SHAPE`, and `E_FORMAT` when something would be lost: shifts, a scale that the layout has no place for or cannot hold exactly (GGUF's
    /// blocks hold f16), or codes that it does not have.
    pub fn export(&self, layout_name: &str, out: &mut [u8]) -> Result<f32> {
        let (rows, cols) = (self.shape.rows, self.shape.cols);
        let kind = layout(layout_name)?;
        check_len(
            "room for the layout",
            formats::packed_bytes(layout_name, rows, cols)?,
            out.len(),
        )?;
        if !self.shifts.is_empty() {
            return Err(lost(layout_name, "shifts"));
        }
        let mut found = zeros(rows * cols)?;
        self.codes(&mut found)?;
        match kind {
            Layout::Blocks(f) => self.export_blocks(layout_name, f, &found, out)?,
            Layout::Hf => hf_pack(&found, rows, cols, out).map_err(|e| wrong(&e))?,
            Layout::I2s(v) => {
                debug_assert_eq!(i2s_bytes(v, rows * cols).ok(), Some(out.len()));
                i2s_pack(v, &found, self.one_scale(layout_name)?, out).map_err(|e| wrong(&e))?;
            }
        }
        if matches!(kind, Layout::Hf) { self.one_scale(layout_name) } else { Ok(self.scale(0, 0)) }
    }

    fn one_scale(&self, layout_name: &str) -> Result<f32> {
        match self.scales[..] {
            [scale] => Ok(scale),
            _ => Err(lost(layout_name, "scales of rows or groups")),
        }
    }

    fn export_blocks(
        &self,
        layout_name: &str,
        f: BlockFormat,
        found: &[i8],
        out: &mut [u8],
    ) -> Result<()> {
        let (values, cols) = (f.block_values(), self.shape.cols);
        if !self.shape.group.is_multiple_of(values) && self.scales.len() > self.shape.rows {
            return Err(lost(layout_name, "scales of groups that are no whole blocks"));
        }
        let blocks = found.chunks_exact(values).zip(out.chunks_exact_mut(f.block_bytes()));
        for (b, (block, out)) in blocks.enumerate() {
            let (row, col) = (b * values / cols, b * values % cols);
            let scale = self.scale(row, col / self.shape.group);
            if f16_to_f32(f32_to_f16(scale)).to_bits() != scale.to_bits() {
                return Err(lost(layout_name, &format!("the scale {scale}, which is no f16,")));
            }
            let scale = if block.iter().all(|&code| code == 0) { 0.0 } else { scale };
            pack_block_codes(f, block, scale, out).map_err(|e| wrong(&e))?;
        }
        Ok(())
    }
}

fn lost(layout_name: &str, what: &str) -> CoreError {
    CoreError::new(codes::FORMAT, format!("{what} would be lost in the layout {layout_name}"))
}
