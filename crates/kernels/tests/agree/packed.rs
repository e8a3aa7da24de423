//! Products with packed weights.

use tritlens_kernels::{Format, PackedGroups, PackedRows, available, pack, row_bytes, unpack};

use super::data::{Bits, DATA, Data, Random, agree};

/// Random packed rows, made by `pack`.
fn packed(random: &mut Random, format: Format, rows: usize, cols: usize) -> Vec<u8> {
    let code = |random: &mut Random| match format {
        Format::Binary => 2 * random.below(2) as i8 - 1,
        _ => random.below(3) as i8 - 1,
    };
    let codes: Vec<i8> = (0..rows * cols).map(|_| code(random)).collect();
    let mut out = vec![0; rows * row_bytes(format, cols)];
    pack(format, &codes, rows, cols, &mut out).unwrap();
    out
}

/// Rows and batch sizes below, at and above every tile.
const SHAPES: [(usize, usize); 11] =
    [(1, 1), (4, 1), (5, 1), (1, 2), (2, 3), (3, 4), (5, 5), (9, 8), (10, 13), (4, 0), (0, 3)];

#[cfg_attr(test, test)]
pub(crate) fn packed_f32() {
    for format in Format::ALL {
        for (rows, m) in SHAPES {
            for cols in (0..=67).chain([127, 128, 129, 160, 161, 256, 257, 320, 512, 1000]) {
                for data in DATA {
                    let case = format!("{format:?} {data:?} rows {rows} m {m} cols {cols}");
                    agree(&case, |table| {
                        let mut random = Random(cols as u64 + 3);
                        let w = packed(&mut random, format, rows, cols);
                        let x = data.floats(&mut random, m * cols);
                        let mut y = vec![f32::NAN; m * rows];
                        table.packed_matmul_f32(format, &w, rows, cols, 0.37, &x, m, &mut y);
                        Bits::default().f32(&y)
                    });
                }
            }
        }
    }
}

#[cfg_attr(test, test)]
pub(crate) fn packed_i8() {
    for format in Format::ALL {
        for (rows, m) in SHAPES {
            for cols in (0..=67).chain([127, 128, 129, 160, 161, 256, 257, 320, 512, 3000]) {
                agree(&format!("{format:?} rows {rows} m {m} cols {cols}"), |table| {
                    let mut random = Random(cols as u64 + 3);
                    let w = packed(&mut random, format, rows, cols);
                    let x: Vec<i8> = (0..m * cols).map(|_| random.next() as i8).collect();
                    let mut y = vec![i32::MIN; m * rows];
                    table.packed_matmul_i8(format, &w, rows, cols, &x, m, &mut y);
                    Bits::default().i32s(&y)
                });
            }
        }
    }
}

/// Groups of every size below, at and above a vector, with scales that are no numbers among others.
#[cfg_attr(test, test)]
pub(crate) fn packed_groups() {
    for format in Format::ALL {
        for (rows, m) in SHAPES.into_iter().chain([(37, 1), (35, 6)]) {
            for (groups, group) in [(1, 7), (3, 32), (4, 128), (3, 256), (2, 333), (5, 512), (0, 8)]
            {
                for data in DATA {
                    let case = format!("{format:?} {rows} x {groups} x {group} m {m} {data:?}");
                    agree(&case, |table| {
                        let mut random = Random(group as u64 + 3);
                        let w = packed(&mut random, format, rows * groups, group);
                        let scales = data.floats(&mut random, rows * groups);
                        let x: Vec<i8> =
                            (0..m * groups * group).map(|_| random.next() as i8).collect();
                        let mut y = vec![f32::NAN; m * rows];
                        let w =
                            PackedGroups { format, data: &w, scales: &scales, rows, groups, group };
                        table.packed_groups_i8(w, &x, m, &mut y);
                        Bits::default().f32(&y)
                    });
                }
            }
        }
    }
}

/// A group of columns of a matrix that is packed group by group equals the same columns packed alone.
#[cfg_attr(test, test)]
pub(crate) fn rows_with_gaps() {
    for format in Format::ALL {
        for (m, cols) in [(1, 64), (3, 100), (9, 64), (9, 300)] {
            agree(&format!("{format:?} gaps m {m} cols {cols}"), |table| {
                let mut random = Random(23);
                let (rows, width) = (7, row_bytes(format, cols));
                let alone = packed(&mut random, format, rows, cols);
                let mut data = vec![0x55u8; rows * 3 * width];
                for row in 0..rows {
                    data[(3 * row + 1) * width..][..width]
                        .copy_from_slice(&alone[row * width..][..width]);
                }
                // The last row ends with the slice: nothing after it may be needed.
                let data = &data[width..(3 * rows - 1) * width];
                let w = PackedRows { format, data, rows, cols, stride: 3 * width };
                let x: Vec<i8> = (0..m * cols).map(|_| random.next() as i8).collect();
                let xf = Data::Plain.floats(&mut random, m * cols);
                let (mut yi, mut yf) = (vec![0; m * rows], vec![0.0; m * rows]);
                table.packed_rows_i8(w, &x, m, &mut yi);
                table.packed_rows_f32(w, 0.3, &xf, m, &mut yf);
                let (mut ei, mut ef) = (vec![0; m * rows], vec![0.0; m * rows]);
                table.packed_matmul_i8(format, &alone, rows, cols, &x, m, &mut ei);
                table.packed_matmul_f32(format, &alone, rows, cols, 0.3, &xf, m, &mut ef);
                assert_eq!((&yi, &yf), (&ei, &ef), "{}", table.name);
                Bits::default().i32s(&yi).f32(&yf)
            });
        }
    }
}

/// Signs times signs, against the exact product of the same codes.
#[cfg_attr(test, test)]
pub(crate) fn bits() {
    for (rows, m) in SHAPES {
        for cols in (0..=67).chain([127, 255, 256, 257, 511, 512, 513, 1000, 3000, 17_000]) {
            agree(&format!("bits rows {rows} m {m} cols {cols}"), |table| {
                let mut random = Random(cols as u64 + 5);
                let w = packed(&mut random, Format::Binary, rows, cols);
                let x = packed(&mut random, Format::Binary, m, cols);
                let mut y = vec![i32::MIN; m * rows];
                table.binary_matmul_bits(&w, rows, cols, &x, m, &mut y);
                let mut codes = vec![0; m * cols];
                unpack(Format::Binary, &x, m, cols, &mut codes).unwrap();
                let mut exact = vec![0; m * rows];
                table.packed_matmul_i8(Format::Binary, &w, rows, cols, &codes, m, &mut exact);
                assert_eq!(y, exact, "{}", table.name);
                Bits::default().i32s(&y)
            });
        }
    }
}

/// A million extreme products of one sign: 16-bit partial sums must have been emptied in time. The right answer is known.
#[cfg_attr(test, test)]
pub(crate) fn long_rows_of_extremes_do_not_overflow() {
    let cols = 1 << 20;
    for format in Format::ALL {
        for (code, x) in [(1, -128), (1, 127), (-1, -128), (-1, 127)] {
            let mut w = vec![0; row_bytes(format, cols)];
            pack(format, &vec![code; cols], 1, cols, &mut w).unwrap();
            for m in [1, 4, 8] {
                for table in available() {
                    let mut y = vec![0; m];
                    table.packed_matmul_i8(format, &w, 1, cols, &vec![x; m * cols], m, &mut y);
                    let expected = i32::from(code) * i32::from(x) * cols as i32;
                    assert_eq!(y, vec![expected; m], "{} {format:?}", table.name);
                }
            }
        }
    }
}

/// Bytes that `pack` never writes still mean the same everywhere, so a broken file cannot make machines disagree, or an accumulator overflow.
#[cfg_attr(test, test)]
pub(crate) fn any_bytes_agree() {
    for format in Format::ALL {
        let (rows, cols) = (3, 40 * format.block_codes());
        for fill in [None, Some(0xff), Some(0x00)] {
            agree(&format!("{format:?} bytes {fill:?}"), |table| {
                let mut random = Random(11);
                let w: Vec<u8> = (0..rows * row_bytes(format, cols))
                    .map(|_| fill.unwrap_or(random.next() as u8))
                    .collect();
                let xi = vec![-128i8; 9 * cols];
                let xf = Data::Plain.floats(&mut random, cols);
                let (mut yi, mut yf) = (vec![0; 10 * rows], vec![0.0; rows]);
                let (many, one) = yi.split_at_mut(9 * rows);
                table.packed_matmul_i8(format, &w, rows, cols, &xi, 9, many);
                table.packed_matmul_i8(format, &w, rows, cols, &xi[..cols], 1, one);
                table.packed_matmul_f32(format, &w, rows, cols, 1.0, &xf, 1, &mut yf);
                Bits::default().i32s(&yi).f32(&yf)
            });
        }
    }
}
