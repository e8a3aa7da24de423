//! No kernel touches memory beyond its slices. Every slice that it is given lies beside a page that may not be touched, at its end and then at its start.

#![cfg(target_os = "linux")]

#[path = "guard/pages.rs"]
mod pages;

use pages::{Guarded, Side, announce, signal_of_reading};
use tritlens_kernels::layouts::Elements;
use tritlens_kernels::{
    AdamHyper, Columns, Format, Kernels, NormRows, PackedGroups, Strided, View, available, gemm,
    row_bytes,
};

/// One call of a kernel with slices of `len` elements, or with rows of them.
type Call = fn(&Kernels, Side, usize);

/// Every kernel of a table.
const CALLS: [(&str, Call); 42] = [
    ("add", |t, at, n| t.add(&at.floats(n), &mut at.floats(n))),
    ("axpy", |t, at, n| t.axpy(0.5, &at.floats(n), &mut at.floats(n))),
    ("scale_add", |t, at, n| t.scale_add(0.5, &at.floats(n), &mut at.floats(n))),
    ("scale_in_place", |t, at, n| t.scale_in_place(0.5, &mut at.floats(n))),
    ("dot", |t, at, n| ignore(t.dot(&at.floats(n), &at.floats(n)))),
    ("dot_rows", |t, at, n| {
        let keys = at.floats(6 * (n + 3) + n);
        let keys = Strided { data: &keys, stride: n + 3 };
        t.dot_rows(&at.floats(n), keys, &mut at.floats(7));
    }),
    ("row_products", |t, at, n| {
        if n > 0 {
            t.row_products(&at.floats(5 * n), &at.floats(6 * n), n, &mut at.floats(30));
        }
    }),
    ("weigh_rows", |t, at, n| {
        let values = at.floats(6 * (n + 3) + n);
        let values = Strided { data: &values, stride: n + 3 };
        t.weigh_rows(&at.floats(7), values, &mut at.floats(n));
    }),
    ("mix_rows", |t, at, n| {
        let data = at.floats(TABLE_ROWS * (n + 3));
        let (weights, rows) = (at.floats(ROWS.len()), at.slice(&ROWS));
        t.mix_rows(&weights, &rows, last_columns(&data, n), &mut at.floats(n));
    }),
    ("mix_rows_back", |t, at, n| {
        let data = at.floats(TABLE_ROWS * (n + 3));
        let (weights, rows, dy) = (at.floats(ROWS.len()), at.slice(&ROWS), at.floats(n));
        let (mut dweights, mut ddata) = (at.floats(ROWS.len()), at.floats(data.len()));
        t.mix_rows_back(&weights, &rows, last_columns(&data, n), &dy, &mut dweights, &mut ddata);
    }),
    ("sum", |t, at, n| ignore(t.sum(&at.floats(n)))),
    ("sum_abs", |t, at, n| ignore(t.sum_abs(&at.floats(n)))),
    ("sum_sq", |t, at, n| ignore(t.sum_sq(&at.floats(n)))),
    ("max_abs", |t, at, n| ignore(t.max_abs(&at.floats(n)))),
    ("relu", |t, at, n| t.relu(&at.floats(n), &mut at.floats(n))),
    ("relu_back", |t, at, n| t.relu_back(&at.floats(n), &at.floats(n), &mut at.floats(n))),
    ("gelu", |t, at, n| t.gelu(&at.floats(n), &mut at.floats(n))),
    ("gelu_back", |t, at, n| t.gelu_back(&at.floats(n), &at.floats(n), &mut at.floats(n))),
    ("gelu_new", |t, at, n| t.gelu_new(&at.floats(n), &mut at.floats(n))),
    ("gelu_new_back", |t, at, n| t.gelu_new_back(&at.floats(n), &at.floats(n), &mut at.floats(n))),
    ("silu", |t, at, n| t.silu(&at.floats(n), &mut at.floats(n))),
    ("silu_back", |t, at, n| t.silu_back(&at.floats(n), &at.floats(n), &mut at.floats(n))),
    ("norm_scale", |t, at, n| {
        each_norm(n, |norm, rows| t.norm_scale(&at.floats(rows * n), norm, &mut at.floats(rows)));
    }),
    ("norm_scale_back", |t, at, n| {
        each_norm(n, |norm, rows| {
            let (x, ds) = (at.floats(rows * n), at.floats(rows));
            t.norm_scale_back(&x, &ds, norm, &mut at.floats(rows * n));
        });
    }),
    ("norm_apply", |t, at, n| {
        each_norm(n, |norm, rows| {
            let (x, s, w) = (at.floats(rows * n), at.floats(rows), at.floats(n));
            t.norm_apply(&x, &s, Some(&w), Some(&at.floats(n)), norm, &mut at.floats(rows * n));
            t.norm_apply(&x, &s, None, None, norm, &mut at.floats(rows * n));
        });
    }),
    ("norm_apply_back_x", |t, at, n| {
        each_norm(n, |norm, rows| {
            let (s, w, dy) = (at.floats(rows), at.floats(n), at.floats(rows * n));
            t.norm_apply_back_x(&s, Some(&w), &dy, norm, &mut at.floats(rows * n));
        });
    }),
    ("norm_apply_back_s", |t, at, n| {
        each_norm(n, |norm, rows| {
            let (x, s, w) = (at.floats(rows * n), at.floats(rows), at.floats(n));
            let dy = at.floats(rows * n);
            t.norm_apply_back_s(&x, &s, Some(&w), &dy, norm, &mut at.floats(rows));
        });
    }),
    ("norm_apply_back_w", |t, at, n| {
        each_norm(n, |norm, rows| {
            let (x, s, dy) = (at.floats(rows * n), at.floats(rows), at.floats(rows * n));
            t.norm_apply_back_w(&x, &s, &dy, norm, &mut at.floats(n));
        });
    }),
    ("softmax_rows", |t, at, n| {
        for rows in ROW_COUNTS {
            t.softmax_rows(&at.floats(rows * n), n.max(1), &mut at.floats(rows * n));
        }
    }),
    ("softmax_back_rows", |t, at, n| {
        for rows in ROW_COUNTS {
            let (y, dy) = (at.floats(rows * n), at.floats(rows * n));
            t.softmax_back_rows(&y, &dy, n.max(1), &mut at.floats(rows * n));
        }
    }),
    ("cross_entropy_rows", cross_entropy),
    ("adamw", |t, at, n| {
        let hyper = AdamHyper::new(1e-3, 0.9, 0.98, 1e-8, 1.0, 1);
        let [mut p, mut m, mut v] = [at.floats(n), at.floats(n), at.floats(n)];
        t.adamw(&mut p, &at.floats(n), &mut m, &mut v, &hyper);
    }),
    ("quantize_ternary", |t, at, n| {
        t.quantize_ternary(&at.floats(n), 0.1, 0.5, &mut at.codes(n), &mut at.floats(n));
    }),
    ("quantize_binary", |t, at, n| {
        t.quantize_binary(&at.floats(n), 0.1, 0.5, true, &mut at.codes(n), &mut at.floats(n));
    }),
    ("quantize_act_rows", |t, at, n| {
        for rows in ROW_COUNTS {
            let (x, mut codes) = (at.floats(rows * n), at.codes(rows * n));
            let mut scales = at.floats(if n == 0 { 0 } else { rows });
            t.quantize_act_rows(&x, n.max(1), &mut codes, &mut scales);
        }
    }),
    ("count_diff", |t, at, n| ignore(t.count_diff(&at.codes(n), &at.codes(n)))),
    ("widen", |t, at, n| {
        for elements in Elements::ALL {
            let n = n / elements.block_values() * elements.block_values();
            t.widen(elements, &at.bytes(elements.bytes(n).unwrap()), &mut at.floats(n));
        }
    }),
    ("element_rows", |t, at, n| {
        for (elements, rows) in Elements::ALL.into_iter().flat_map(|e| [(e, 1), (e, 5)]) {
            let n = n / elements.block_values() * elements.block_values();
            let w = at.bytes(rows * elements.bytes(n).unwrap());
            t.element_rows(elements, &w, &at.floats(n), &mut at.floats(rows));
        }
    }),
    ("packed_rows_f32", |t, at, n| {
        for (format, rows, m) in products() {
            let (w, x) = (at.bytes(rows * row_bytes(format, n)), at.floats(m * n));
            t.packed_matmul_f32(format, &w, rows, n, 0.5, &x, m, &mut at.floats(m * rows));
        }
    }),
    ("packed_rows_i8", |t, at, n| {
        for (format, rows, m) in products() {
            let (w, x) = (at.bytes(rows * row_bytes(format, n)), at.codes(m * n));
            let mut y = at.slice(&vec![0i32; m * rows]);
            t.packed_matmul_i8(format, &w, rows, n, &x, m, &mut y);
        }
    }),
    ("packed_groups_i8", |t, at, n| {
        let groups = 3;
        for (format, rows, m) in products() {
            let (w, x) = (at.bytes(rows * groups * row_bytes(format, n)), at.codes(m * groups * n));
            let scales = at.floats(rows * groups);
            let w = PackedGroups { format, data: &w, scales: &scales, rows, groups, group: n };
            t.packed_groups_i8(w, &x, m, &mut at.floats(m * rows));
        }
    }),
    ("binary_matmul_bits", |t, at, n| {
        let width = row_bytes(Format::Binary, n);
        for (_, rows, m) in products().filter(|p| p.0 == Format::Binary) {
            let (w, x) = (at.bytes(rows * width), at.bytes(m * width));
            t.binary_matmul_bits(&w, rows, n, &x, m, &mut at.slice(&vec![0i32; m * rows]));
        }
    }),
];

/// Rows of a table, and those that are mixed: more than a group of four, the last row among them.
const TABLE_ROWS: usize = 3;
const ROWS: [u32; 6] = [2, 0, 1, 2, 2, 1];

const ROW_COUNTS: [usize; 2] = [1, 3];

fn ignore<T>(_: T) {}

/// Norms of rows of `n` columns, with the mean taken off and without.
fn each_norm(n: usize, mut call: impl FnMut(NormRows, usize)) {
    for (center, rows) in [false, true].into_iter().zip(ROW_COUNTS).filter(|_| n > 0) {
        call(NormRows { cols: n, center, eps: 1e-5, floor: 0.0 }, rows);
    }
}

/// The last `n` columns, so that the last row's end is the end of the data.
fn last_columns(data: &[f32], n: usize) -> Columns<'_> {
    Columns { data, stride: n + 3, first: 3 }
}

/// Formats, with rows and batches below and above every tile.
fn products() -> impl Iterator<Item = (Format, usize, usize)> {
    let shapes = [(1, 1), (4, 1), (5, 1), (1, 3), (5, 6), (9, 9)];
    Format::ALL.into_iter().flat_map(move |format| shapes.map(|(rows, m)| (format, rows, m)))
}

fn cross_entropy(t: &Kernels, at: Side, n: usize) {
    for rows in ROW_COUNTS.map(|rows| if n == 0 { 0 } else { rows }) {
        let (logits, targets) = (at.floats(rows * n), at.slice(&vec![n as i32 - 1; rows]));
        let (weights, mut losses) = (at.floats(rows), at.slice(&vec![0.0f64; rows]));
        let mut dlogits = at.floats(rows * n);
        let cols = n.max(1);
        t.cross_entropy_rows(&logits, cols, &targets, &weights, Some(&mut dlogits), &mut losses);
        t.cross_entropy_rows(&logits, cols, &targets, &weights, None, &mut losses);
    }
}

impl Side {
    fn slice<T: Copy>(self, values: &[T]) -> Guarded<T> {
        Guarded::new(self, values)
    }

    fn floats(self, len: usize) -> Guarded<f32> {
        self.slice(&(0..len).map(|i| (i % 13) as f32 / 4.0 - 1.5).collect::<Vec<_>>())
    }

    fn codes(self, len: usize) -> Guarded<i8> {
        self.slice(&(0..len).map(|i| (i * 37) as i8).collect::<Vec<_>>())
    }

    fn bytes(self, len: usize) -> Guarded<u8> {
        self.slice(&(0..len).map(|i| (i * 37) as u8).collect::<Vec<_>>())
    }
}

const SIDES: [Side; 2] = [Side::End, Side::Start];

/// Every rest of the widest step, then the ends of blocks.
fn lengths() -> impl Iterator<Item = usize> {
    (0..=130).chain([159, 160, 161, 255, 256, 257, 320, 513])
}

#[test]
fn every_kernel_stays_inside_its_slices() {
    for table in available() {
        for (kernel, call) in CALLS {
            for side in SIDES {
                for len in lengths() {
                    announce(format!(
                        "{} {kernel}, length {len}, page at the {side:?}",
                        table.name
                    ));
                    call(table, side, len);
                }
            }
        }
    }
}

/// The list above is the list of the table's pointers.
#[test]
fn no_kernel_is_left_out() {
    let source = include_str!("../src/table.rs");
    let (_, fields) = source.split_once("pub struct Kernels {").unwrap();
    let (fields, _) = fields.split_once("\n}").unwrap();
    let name = |line: &'static str| line.trim().strip_prefix("pub(crate) ")?.split(':').next();
    let mut kernels: Vec<&str> = fields.lines().filter_map(name).collect();
    let mut called = CALLS.map(|(name, _)| name);
    kernels.sort_unstable();
    called.sort_unstable();
    assert_eq!(kernels, called);
}

/// The library's product too: it is the one that gets the largest slices.
#[test]
fn dense_products_stay_inside_their_slices() {
    let sizes = [1, 2, 3, 7, 8, 15, 16, 17, 33];
    for side in SIDES {
        for (m, n, k) in
            sizes.iter().flat_map(|&m| sizes.iter().map(move |&n| (m, n, (m * n) % 37)))
        {
            let (a, b) = (side.floats(m * k), side.floats(k * n));
            let (rows, turned) = (View::rows(&a, k), View::rows(&a, m).t());
            for (name, a) in [("rows", rows), ("transposed", turned)] {
                announce(format!("gemm {m} {n} {k}, {name}, page at the {side:?}"));
                let mut c = side.floats(m * n);
                gemm((m, n, k), 1.0, a, View::rows(&b, n), 0.0, &mut c, (n, 1));
                gemm((m, n, k), 1.0, a, View::rows(&b, k).t(), 1.0, &mut c, (n, 1));
            }
        }
    }
}

/// The tests above could fail: a step beyond a slice is fatal, its first and last elements are not.
#[test]
fn a_step_beyond_is_fatal() {
    let (at_start, at_end) = (Side::Start.bytes(40), Side::End.bytes(40));
    assert_eq!(signal_of_reading(&at_start, 0), None);
    assert_eq!(signal_of_reading(&at_end, 39), None);
    assert_eq!(signal_of_reading(&at_start, -1), Some(libc::SIGSEGV));
    assert_eq!(signal_of_reading(&at_end, 40), Some(libc::SIGSEGV));
}
