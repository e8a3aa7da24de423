//! Other programs' layouts, rearranged into packed rows.

use tritlens_kernels::layouts::{
    BlockFormat, Foreign, I2sVariant, Layout, hf_pack, i2s_bytes, i2s_pack, pack_block_codes,
};
use tritlens_kernels::{Format, PackError, invalid_pair, pack, row_bytes};

fn pseudo_random(len: usize) -> impl Iterator<Item = u32> {
    let mut state = 0x2545_f491_u32;
    std::iter::repeat_with(move || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state
    })
    .take(len)
}

/// Codes of any layout, rearranged, are those that `pack` lays out.
#[test]
fn layouts_become_packed_rows() {
    let layouts = BlockFormat::ALL.map(Layout::Blocks).into_iter().chain([
        Layout::Hf,
        Layout::I2s(I2sVariant::X86),
        Layout::I2s(I2sVariant::Neon),
    ]);
    for layout in layouts {
        // Whole blocks, and (where there are none) columns that fill no packed block.
        let shapes: &[(usize, usize)] = match layout {
            Layout::Blocks(_) => &[(3, 256), (5, 768)],
            Layout::Hf => &[(4, 1), (8, 100), (12, 128), (4, 300)],
            Layout::I2s(_) => &[(3, 128), (128, 3), (64, 130), (2, 640)],
        };
        let shapes = shapes
            .iter()
            .copied()
            .chain((layout == Layout::Blocks(BlockFormat::Q1_0)).then_some((3, 384)));
        for (rows, cols) in shapes {
            let binary = layout == Layout::Blocks(BlockFormat::Q1_0);
            let codes: Vec<i8> = pseudo_random(rows * cols)
                .map(|r| if binary { 2 * (r >> 7 & 1) as i8 - 1 } else { (r >> 7) as i8 % 2 })
                .collect();
            let bytes = written(layout, &codes, rows, cols);
            let foreign = Foreign::new(layout, &bytes, rows, cols).unwrap();
            assert_eq!(foreign.scale(0), (layout != Layout::Hf).then_some(0.5));
            for format in Format::ALL.into_iter().filter(|&f| (f == Format::Binary) == binary) {
                let groups = [cols, 256, 128, 1].into_iter().filter(|g| cols.is_multiple_of(*g));
                for group in groups {
                    let what = format!("{layout:?} {format:?} {rows} x {cols} groups of {group}");
                    let width = cols / group * row_bytes(format, group);
                    let mut expected = vec![0; rows * width];
                    pack(format, &codes, rows * cols / group, group, &mut expected).unwrap();
                    let mut found = vec![0xee; rows * width];
                    let (first, others) = found.split_at_mut(width);
                    foreign.repack(format, group, 0, first).unwrap();
                    foreign.repack(format, group, 1, others).unwrap();
                    assert_eq!(found, expected, "{what}");
                }
            }
            let short = Foreign::new(layout, &bytes[1..], rows, cols);
            assert!(matches!(short, Err(PackError::Length { .. })));
        }
    }
}

fn written(layout: Layout, codes: &[i8], rows: usize, cols: usize) -> Vec<u8> {
    match layout {
        Layout::Blocks(format) => {
            let mut bytes = vec![0; format.bytes(codes.len()).unwrap()];
            pack_block_codes(format, codes, 0.5, &mut bytes).unwrap();
            bytes
        }
        Layout::Hf => {
            let mut bytes = vec![0; rows * cols / 4];
            hf_pack(codes, rows, cols, &mut bytes).unwrap();
            bytes
        }
        Layout::I2s(variant) => {
            let mut bytes = vec![0; i2s_bytes(variant, codes.len()).unwrap()];
            i2s_pack(variant, codes, 0.5, &mut bytes).unwrap();
            bytes
        }
    }
}

/// An invalid pair stays one, wherever it lies; other formats refuse it.
#[test]
fn invalid_pairs_come_through() {
    for (layout, len) in [
        (Layout::Blocks(BlockFormat::Tq2_0), 66),
        (Layout::Hf, 256),
        (Layout::I2s(I2sVariant::X86), 96),
        (Layout::I2s(I2sVariant::Neon), 96),
    ] {
        let rows = if layout == Layout::Hf { 4 } else { 1 };
        for (byte, pair) in [(0, 0), (17, 1), (40, 3), (63, 2)] {
            let mut bytes = vec![0x55; len];
            bytes[byte] |= 3 << (2 * pair);
            let foreign = Foreign::new(layout, &bytes, rows, 256).unwrap();
            let mut out = vec![0; rows * 64];
            foreign.repack(Format::Ternary2, 256, 0, &mut out).unwrap();
            assert!(invalid_pair(&out).is_some(), "{layout:?} byte {byte}");
            let mut out = vec![0; rows * 64];
            let error = foreign.repack(Format::Ternary5, 256, 0, &mut out);
            assert!(matches!(error, Err(PackError::Code { code: 2, .. })), "{layout:?}");
        }
    }
    assert_eq!(invalid_pair(&[0xaa; 600]), None);
    let mut bytes = [0xaa; 600];
    bytes[599] = 0xb0;
    assert_eq!(invalid_pair(&bytes), Some(599));
}
