//! Numbers of checkpoints.

use tritlens_kernels::dot;
use tritlens_kernels::layouts::{Elements, dequantize, f16_to_f32};

use super::data::{Bits, DATA, Random, agree};

fn bytes(random: &mut Random, len: usize) -> Vec<u8> {
    (0..len).map(|_| random.next() as u8).collect()
}

/// Columns of whole blocks: with every rest where a block is one number.
fn columns(elements: Elements) -> Vec<usize> {
    match elements.block_values() {
        1 => (0..=67).chain([127, 128, 1000]).collect(),
        values => (0..=4).map(|blocks| blocks * values).collect(),
    }
}

/// Any bytes: scales and numbers that are NaN or infinite come with them.
#[cfg_attr(test, test)]
pub(crate) fn element_products() {
    for elements in Elements::ALL {
        for rows in [0, 1, 2, 3, 4, 5, 9] {
            for cols in columns(elements) {
                for data in DATA {
                    let case = format!("{elements:?} {data:?} rows {rows} cols {cols}");
                    agree(&case, |table| {
                        let mut random = Random(cols as u64 + 3);
                        let w = bytes(&mut random, rows * elements.bytes(cols).unwrap());
                        let x = data.floats(&mut random, cols);
                        let mut y = vec![f32::NAN; rows];
                        table.element_rows(elements, &w, &x, &mut y);
                        let mut wide = vec![9.0; rows * cols];
                        table.widen(elements, &w, &mut wide);
                        Bits::default().f32(&y).f32(&wide)
                    });
                }
            }
        }
    }
}

/// All of them, subnormal, infinite and NaN included.
#[cfg_attr(test, test)]
pub(crate) fn every_half() {
    let halves: Vec<u8> = (0..=u16::MAX).flat_map(u16::to_le_bytes).collect();
    for elements in [Elements::F16, Elements::Bf16] {
        agree(&format!("every {elements:?}"), |table| {
            let mut wide = vec![9.0; 1 << 16];
            table.widen(elements, &halves, &mut wide);
            if elements == Elements::F16 {
                let exact: Vec<f32> = (0..=u16::MAX).map(f16_to_f32).collect();
                assert!(Bits::default().f32(&wide) == Bits::default().f32(&exact));
            }
            Bits::default().f32(&wide)
        });
    }
}

/// A product is that of the widened row.
#[cfg_attr(test, test)]
pub(crate) fn element_products_are_dots() {
    for elements in Elements::ALL {
        let (mut random, rows, cols) = (Random(5), 6, 512);
        let w = bytes(&mut random, rows * elements.bytes(cols).unwrap());
        let x = super::data::Data::Plain.floats(&mut random, cols);
        let (mut wide, mut y) = (vec![0.0; rows * cols], vec![0.0; rows]);
        dequantize(elements, &w, &mut wide).unwrap();
        tritlens_kernels::element_rows(elements, &w, &x, &mut y);
        let exact: Vec<f32> = wide.chunks_exact(cols).map(|w| dot(w, &x)).collect();
        assert!(Bits::default().f32(&y) == Bits::default().f32(&exact), "{elements:?}");
    }
}
