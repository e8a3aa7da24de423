//! Packed products: one or several threads, each with a share of the rows of the weights.

use std::sync::Arc;

use tritlens_kernels::{Format, Kernels, quads};

use super::case::Case;
use super::inputs::{Random, Store, Wanted, Weights, activations, floats};
use super::request::Request;
use super::serve::{format_named, table_named};
use super::team::Team;

/// What is multiplied.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    /// int8 activations, i32 sums.
    I8,
    /// f32 activations, exact products.
    F32,
    /// f32 activations that are quantised first and sums that are scaled: what a layer does, and what ggml counts as its product.
    FromF32,
}

/// One thread's share.
struct Part {
    table: &'static Kernels,
    kind: Kind,
    format: Format,
    weights: Arc<Weights>,
    first: usize,
    rows: usize,
    cols: usize,
    m: usize,
    floats: Arc<Vec<f32>>,
    codes: Vec<i8>,
    scales: Vec<f32>,
    sums: Vec<i32>,
    out: Vec<f32>,
    turn: usize,
}

impl Part {
    fn run(&mut self) {
        let (rows, cols, m) = (self.rows, self.cols, self.m);
        let w = self.weights.rows(self.turn, self.first, rows);
        self.turn += 1;
        if self.kind == Kind::F32 {
            let y = &mut self.out;
            return self.table.packed_matmul_f32(
                self.format,
                w,
                rows,
                cols,
                1.0,
                &self.floats,
                m,
                y,
            );
        }
        if self.kind == Kind::FromF32 {
            self.table.quantize_act_rows(&self.floats, cols, &mut self.codes, &mut self.scales);
        }
        // In WebAssembly as a packed layer does it; everything else multiplies the packed bytes.
        let quads = self.weights.quads(self.turn - 1).filter(|_| self.table.name == "simd128");
        if let Some(quads) = quads {
            quads::matmul_i8(quads, rows, cols, &self.codes, m, &mut self.sums);
        } else {
            let y = &mut self.sums;
            self.table.packed_matmul_i8(self.format, w, rows, cols, &self.codes, m, y);
        }
        if self.kind == Kind::FromF32 {
            let rows_of = self.out.chunks_mut(rows).zip(self.sums.chunks(rows));
            for ((out, sums), &scale) in rows_of.zip(&self.scales) {
                for (out, &sum) in out.iter_mut().zip(sums) {
                    *out = sum as f32 * scale;
                }
            }
        }
    }

    /// The result of row `row` of this part for row `i` of the activations, and what it has to be within.
    fn compare(&self, row: usize, i: usize) -> (f64, f64, f64) {
        let at = i * self.rows + row;
        let codes = self.weights.codes(self.first + row);
        let x = i * self.cols..(i + 1) * self.cols;
        if self.kind == Kind::F32 {
            let products = codes.zip(&self.floats[x]).map(|(w, &x)| f64::from(w) * f64::from(x));
            return (f64::from(self.out[at]), products.sum(), 1e-6 * self.cols as f64);
        }
        let sum: i64 = codes.zip(&self.codes[x]).map(|(w, &x)| i64::from(w) * i64::from(x)).sum();
        if self.kind == Kind::I8 {
            return (f64::from(self.sums[at]), sum as f64, 0.0);
        }
        let exact = sum as f32 * self.scales[i];
        (f64::from(self.out[at]), f64::from(exact), 0.0)
    }

    /// Compares a sample of the results with the definition.
    fn check(&self) -> Result<(), String> {
        let mut random = Random(17);
        for _ in 0..64 {
            let (row, i) = (random.below(self.rows), random.below(self.m));
            let (found, expected, within) = self.compare(row, i);
            if (found - expected).abs() > within {
                let (name, row) = (self.table.name, self.first + row);
                return Err(format!(
                    "{name} computes {found} where {expected} is right (row {row} of column {i})"
                ));
            }
        }
        Ok(())
    }
}

/// Opens `{"name":"packed_i8|packed_f32|packed_i8_from_f32","format","rows","cols","m","threads","isa","ring"}`; `ring` is bytes of weights in turn.
pub(crate) fn open(request: &Request, store: &mut Store) -> Result<Case, String> {
    let kind = match request.text("name")? {
        "packed_i8" => Kind::I8,
        "packed_f32" => Kind::F32,
        "packed_i8_from_f32" => Kind::FromF32,
        other => return Err(format!("no product is named {other}")),
    };
    let (format, table) =
        (format_named(request.text("format")?)?, table_named(request.text("isa")?)?);
    let (rows, cols, m) = (request.count("rows")?, request.count("cols")?, request.count("m")?);
    let threads = request.count("threads")?;
    let ring = request.number("ring").unwrap_or(0);
    let weights = store.get(Wanted { format, rows, cols, ring });
    let shared = Arc::new(floats(m * cols));
    let share = |thread: usize| rows * thread / threads;
    let mut parts: Vec<Part> = (0..threads)
        .map(|thread| {
            let (first, rows) = (share(thread), share(thread + 1) - share(thread));
            Part {
                table,
                kind,
                format,
                weights: Arc::clone(&weights),
                first,
                rows,
                cols,
                m,
                floats: Arc::clone(&shared),
                codes: activations(m * cols),
                scales: vec![0.0; m],
                sums: vec![0; m * rows],
                out: vec![0.0; m * rows],
                turn: 0,
            }
        })
        .filter(|part| part.rows > 0)
        .collect();
    for part in &mut parts {
        part.run();
        part.check()?;
    }
    let mut team = Team::new(parts.into_iter().map(|mut part| move || part.run()).collect());
    Ok(Case::new((m * rows * cols) as f64, move |repeats| team.run(repeats)))
}
