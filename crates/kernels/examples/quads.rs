//! Speed of the low-bit products of WebAssembly: `node crates/kernels/run-wasm.mjs quads`. GMAC/s, one thread; "stream" goes through more weights than the caches
//! hold. Both products are compared before they are timed.

mod host;

use std::hint::black_box;

use host::{now, say};
use tritlens_kernels::{Format, PackedRows, pack, packed_matmul_i8, quads, row_bytes};

/// Copies of the weights that a stream goes through: 26 to 70 MB.
const COPIES: usize = 16;
const ROUNDS: usize = 9;

struct Weights {
    rows: usize,
    cols: usize,
    packed: Vec<u8>,
    quads: Vec<u8>,
    sums: Vec<i32>,
}

fn weights(rows: usize, cols: usize) -> Weights {
    let codes: Vec<i8> = (0..rows * cols).map(|i| ((i * 7919 + i / 13) % 3) as i8 - 1).collect();
    let mut packed = vec![0; rows * row_bytes(Format::Ternary2, cols)];
    pack(Format::Ternary2, &codes, rows, cols, &mut packed).expect("codes");
    let (mut out, mut sums) = (vec![0; quads::bytes(rows, cols)], vec![0; rows]);
    quads::repack(PackedRows::whole(Format::Ternary2, &packed, rows, cols), &mut out, &mut sums)
        .expect("packed");
    Weights { rows, cols, packed, quads: out, sums }
}

/// Median GMAC/s of calls that make `products` products each.
fn speed(products: usize, mut call: impl FnMut()) -> f64 {
    call();
    let mut found: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let (began, mut calls) = (now(), 0u32);
            while now() - began < 0.03 {
                call();
                calls += 1;
            }
            products as f64 * f64::from(calls) / (now() - began) / 1e9
        })
        .collect();
    found.sort_by(f64::total_cmp);
    found[ROUNDS / 2]
}

fn main() {
    for (rows, cols) in [(2560, 2560), (6912, 2560), (2560, 6912), (4096, 4096)] {
        let w = weights(rows, cols);
        let streams: Vec<Vec<u8>> = (0..COPIES).map(|_| w.quads.clone()).collect();
        for m in [1, 4, 16, 512] {
            let x: Vec<i8> = (0..m * cols).map(|i| (i * 31 + i / 7) as i8).collect();
            let (mut y, mut z) = (vec![0; m * rows], vec![0; m * rows]);
            quads::matmul_i8((&w.quads, &w.sums), rows, cols, &x, m, &mut y);
            packed_matmul_i8(Format::Ternary2, &w.packed, rows, cols, &x, m, &mut z);
            assert_eq!(y, z);
            let products = w.rows * w.cols * m;
            let mut next = 0;
            let stream = speed(products, || {
                next = (next + 1) % COPIES;
                quads::matmul_i8((&streams[next], &w.sums), rows, cols, black_box(&x), m, &mut y);
            });
            let hot = speed(products, || {
                quads::matmul_i8((&w.quads, &w.sums), rows, cols, black_box(&x), m, &mut y);
            });
            let packed = speed(products, || {
                packed_matmul_i8(Format::Ternary2, &w.packed, rows, cols, black_box(&x), m, &mut z);
            });
            say(&format!(
                "{rows}x{cols} m {m}: quads stream {stream:.1}, hot {hot:.1}; packed {packed:.1} GMAC/s"
            ));
        }
    }
}
