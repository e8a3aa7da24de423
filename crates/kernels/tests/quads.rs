//! The layout of WebAssembly's low-bit products: nothing is lost in it, and products from it are those of the codes.
//!
//! `examples/agree.rs` runs the same functions in WebAssembly, where the products have kernels of their own; elsewhere the specification runs.

use tritlens_kernels::{Format, PackError, PackedRows, pack, quads, row_bytes};

/// xorshift; the same numbers on every machine.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11
    }

    fn code(&mut self, format: Format) -> i8 {
        match format {
            Format::Binary => 2 * (self.next() % 2) as i8 - 1,
            _ => (self.next() % 3) as i8 - 1,
        }
    }
}

/// Rearranged weights: bytes and sums.
fn made(format: Format, codes: &[i8], rows: usize, cols: usize) -> (Vec<u8>, Vec<i32>) {
    let mut packed = vec![0; rows * row_bytes(format, cols)];
    pack(format, codes, rows, cols, &mut packed).unwrap();
    let (mut out, mut sums) = (vec![0xaa; quads::bytes(rows, cols)], vec![7; rows]);
    quads::repack(PackedRows::whole(format, &packed, rows, cols), &mut out, &mut sums).unwrap();
    (out, sums)
}

fn expected(codes: &[i8], rows: usize, cols: usize, x: &[i8], m: usize) -> Vec<i32> {
    let dot = |i: usize, r: usize| -> i32 {
        let (w, x) = (&codes[r * cols..][..cols], &x[i * cols..][..cols]);
        w.iter().zip(x).map(|(&w, &x)| i32::from(w) * i32::from(x)).sum()
    };
    (0..m * rows).map(|k| dot(k / rows, k % rows)).collect()
}

#[cfg_attr(test, test)]
pub(crate) fn nothing_is_lost() {
    let mut random = Random(5);
    for format in Format::ALL {
        for rows in 0..=9 {
            for cols in (0..=67).chain([2048, 2049]) {
                let codes: Vec<i8> = (0..rows * cols).map(|_| random.code(format)).collect();
                let (w, sums) = made(format, &codes, rows, cols);
                let mut back = vec![9; rows * cols];
                quads::unpack(&w, rows, cols, &mut back).unwrap();
                assert_eq!(back, codes, "{format:?} rows {rows} cols {cols}");
                let mut packed = vec![0; row_bytes(Format::Ternary2, cols)];
                for (r, codes) in codes.chunks_exact(cols.max(1)).enumerate() {
                    let mut expected = packed.clone();
                    pack(Format::Ternary2, codes, 1, cols, &mut expected).unwrap();
                    quads::pack_row(&w, cols, r, &mut packed);
                    assert_eq!(packed, expected, "{format:?} row {r} cols {cols}");
                }
                for (r, sum) in sums.into_iter().enumerate() {
                    let row = &codes[r * cols..][..cols];
                    assert_eq!(sum, row.iter().map(|&c| i32::from(c)).sum::<i32>());
                }
            }
        }
    }
}

#[cfg_attr(test, test)]
pub(crate) fn products_are_exact() {
    let mut random = Random(6);
    for format in Format::ALL {
        for (rows, m) in
            [(1, 1), (4, 1), (5, 2), (3, 3), (2, 4), (7, 5), (37, 9), (64, 1), (4, 0), (0, 3)]
        {
            for cols in (0..=67).chain([127, 128, 129, 500, 2047, 2048, 2049, 2080, 4500]) {
                let codes: Vec<i8> = (0..rows * cols).map(|_| random.code(format)).collect();
                let x: Vec<i8> = (0..m * cols).map(|_| random.next() as i8).collect();
                let (w, sums) = made(format, &codes, rows, cols);
                let mut y = vec![i32::MIN; m * rows];
                quads::matmul_i8((&w, &sums), rows, cols, &x, m, &mut y);
                assert_eq!(y, expected(&codes, rows, cols, &x, m), "{format:?} {rows} {cols} {m}");
            }
        }
    }
}

/// A million extreme products of one sign: the fields of a sum must have been emptied in time.
#[cfg_attr(test, test)]
pub(crate) fn fields_do_not_overflow() {
    let (rows, cols) = (4, 1 << 20);
    for (code, x) in [(1, -128), (1, 127), (-1, -128), (-1, 127), (0, 127)] {
        let (w, sums) = made(Format::Ternary5, &vec![code; rows * cols], rows, cols);
        for m in [1, 4] {
            let mut y = vec![0; m * rows];
            quads::matmul_i8((&w, &sums), rows, cols, &vec![x; m * cols], m, &mut y);
            let expected = i32::from(code) * i32::from(x) * cols as i32;
            assert_eq!(y, vec![expected; m * rows], "code {code}, x {x}, m {m}");
        }
    }
}

#[cfg_attr(test, test)]
pub(crate) fn what_is_no_code_is_refused() {
    const ROWS: usize = 5;
    const COLS: usize = 40;
    fn w(packed: &[u8]) -> PackedRows<'_> {
        PackedRows::whole(Format::Ternary2, packed, ROWS, COLS)
    }
    let (rows, cols) = (ROWS, COLS);
    let (mut out, mut sums) = (vec![0; quads::bytes(rows, cols)], vec![0; rows]);
    let mut packed = vec![0x55; rows * row_bytes(Format::Ternary2, cols)];
    quads::repack(w(&packed), &mut out, &mut sums).unwrap();
    packed[3 * 32 + 2] = 0x57;
    let found = quads::repack(w(&packed), &mut out, &mut sums);
    assert_eq!(found, Err(PackError::Byte { index: 98, byte: 0x57 }));
    let short = quads::repack(w(&packed[1..]), &mut out, &mut sums);
    assert!(matches!(short, Err(PackError::Length { what: "packed", .. })));
    let short = quads::repack(w(&packed), &mut out[1..], &mut sums);
    assert!(matches!(short, Err(PackError::Length { what: "out", .. })));
    let short = quads::unpack(&out[1..], rows, cols, &mut vec![0; rows * cols]);
    assert!(matches!(short, Err(PackError::Length { what: "quads", .. })));
}
