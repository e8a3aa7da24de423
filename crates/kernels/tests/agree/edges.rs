//! What a caller may pass and seldom does: nothing, one element, bytes at odd places, scales that are zero or no number, rows of nothing else.

use tritlens_kernels::{Columns, Format, Strided, row_bytes};

use super::data::{Bits, Data, Random, agree};

const NO_NUMBERS: [f32; 6] = [0.0, -0.0, f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 1e-45];

/// Shapes with nothing in one direction or one element in it.
#[cfg_attr(test, test)]
pub(crate) fn empty_and_single_products() {
    for format in Format::ALL {
        for shape in 0..27 {
            let [rows, cols, m] = [shape % 3, shape / 3 % 3, shape / 9];
            agree(&format!("{format:?} rows {rows} cols {cols} m {m}"), |table| {
                let w = vec![0x55; rows * row_bytes(format, cols)];
                let (x, codes) = (vec![1.5; m * cols], vec![-128; m * cols]);
                let (mut y, mut sums) = (vec![7.0; m * rows], vec![7; m * rows]);
                table.packed_matmul_f32(format, &w, rows, cols, 0.5, &x, m, &mut y);
                table.packed_matmul_i8(format, &w, rows, cols, &codes, m, &mut sums);
                if cols == 0 {
                    assert!(
                        y.iter().all(|&y| y == 0.0) && sums.iter().all(|&y| y == 0),
                        "no terms"
                    );
                }
                Bits::default().f32(&y).i32s(&sums)
            });
        }
    }
}

/// No rows at all, and no rows to mix.
#[cfg_attr(test, test)]
pub(crate) fn no_rows() {
    agree("no rows", |table| {
        table.softmax_rows(&[], 3, &mut []);
        table.softmax_back_rows(&[], &[], 3, &mut []);
        table.quantize_act_rows(&[], 3, &mut [], &mut []);
        let hits = table.cross_entropy_rows(&[], 3, &[], &[], Some(&mut []), &mut []);
        let (data, mut y) = ([1.0; 20], [0.5; 20]);
        let columns = Columns { data: &data, stride: 20, first: 0 };
        let rows = Strided { data: &[], stride: 20 };
        table.dot_rows(&data, rows, &mut []);
        table.weigh_rows(&[], rows, &mut [1.0; 3]);
        table.mix_rows(&[], &[], columns, &mut y);
        table.mix_rows_back(&[], &[], columns, &data, &mut [], &mut y);
        assert_eq!((hits, y), (0, [0.5; 20]));
        Bits::default().int(hits).f32(&y)
    });
}

/// Bytes need not lie at a multiple of anything.
#[cfg_attr(test, test)]
pub(crate) fn bytes_at_every_place() {
    for format in Format::ALL {
        for offset in 0..=64 {
            agree(&format!("{format:?} at {offset}"), |table| {
                let (rows, cols, m) = (5, 333, 3);
                let mut random = Random(5 + offset as u64);
                let mut bytes =
                    |len: usize| -> Vec<u8> { (0..len).map(|_| random.next() as u8).collect() };
                let w = bytes(offset + rows * row_bytes(format, cols));
                let x: Vec<i8> = bytes(offset + m * cols).iter().map(|&x| x as i8).collect();
                let floats = Data::Wide.floats(&mut Random(9), m * cols);
                let (mut sums, mut y) = (vec![0; m * rows], vec![0.0; m * rows]);
                table.packed_matmul_i8(
                    format,
                    &w[offset..],
                    rows,
                    cols,
                    &x[offset..],
                    m,
                    &mut sums,
                );
                table.packed_matmul_f32(format, &w[offset..], rows, cols, 0.3, &floats, m, &mut y);
                let same = table.count_diff(&x[offset..], &x[..x.len() - offset]);
                Bits::default().i32s(&sums).f32(&y).int(same)
            });
        }
    }
}

/// Scales of zero, NaN and infinity go through a kernel as IEEE 754 says.
#[cfg_attr(test, test)]
pub(crate) fn scales_that_are_no_numbers() {
    for scale in NO_NUMBERS {
        for data in [Data::Plain, Data::Extreme] {
            agree(&format!("scale {scale}, {data:?}"), |table| {
                let mut random = Random(21);
                let (len, rows) = (77, 3);
                let x = data.floats(&mut random, len);
                let (mut codes, mut eff) = (vec![9; len], vec![9.0; len]);
                let mut results = Bits::default();
                for (shift, scale) in [(0.0, scale), (scale, 0.5), (scale, scale)] {
                    table.quantize_ternary(&x, shift, scale, &mut codes, &mut eff);
                    results = results.i8(&codes).f32(&eff);
                    table.quantize_binary(&x, shift, scale, true, &mut codes, &mut eff);
                    results = results.i8(&codes).f32(&eff);
                }
                let w = vec![0x55; rows * row_bytes(Format::Ternary2, len)];
                let mut y = vec![9.0; rows];
                table.packed_matmul_f32(Format::Ternary2, &w, rows, len, scale, &x, 1, &mut y);
                let mut scaled = x.clone();
                table.axpy(scale, &x, &mut scaled);
                table.scale_in_place(scale, &mut scaled);
                results.f32(&y).f32(&scaled)
            });
        }
    }
}

/// Rows of a single value: the largest is then zero, NaN or infinite.
#[cfg_attr(test, test)]
pub(crate) fn rows_of_one_value() {
    for value in NO_NUMBERS {
        for cols in [1, 15, 16, 17, 64, 100] {
            agree(&format!("{cols} times {value}"), |table| {
                let x = vec![value; cols];
                let (mut codes, mut scale) = (vec![9; cols], [9.0]);
                table.quantize_act_rows(&x, cols, &mut codes, &mut scale);
                let (mut y, mut dx) = (vec![9.0; cols], vec![9.0; cols]);
                table.softmax_rows(&x, cols, &mut y);
                table.softmax_back_rows(&y, &x, cols, &mut dx);
                let (mut dlogits, mut loss) = (vec![9.0; cols], [9.0]);
                let last = [cols as i32 - 1];
                let hits = table.cross_entropy_rows(
                    &x,
                    cols,
                    &last,
                    &[1.0],
                    Some(&mut dlogits),
                    &mut loss,
                );
                let sums = [table.sum(&x), table.sum_abs(&x), table.sum_sq(&x)];
                let floats = [table.max_abs(&x), table.dot(&x, &x)];
                let results = Bits::default().i8(&codes).f32(&scale).f32(&y).f32(&dx).f32(&dlogits);
                results.f64(&loss).int(hits).f64(&sums).f32(&floats)
            });
        }
    }
}
