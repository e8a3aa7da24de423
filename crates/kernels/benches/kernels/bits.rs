//! One-bit weights times one-bit activations, one or several threads, each with a share of the rows of the weights.

use std::sync::Arc;

use tritlens_kernels::{Format, Kernels, pack, row_bytes};

use super::case::Case;
use super::inputs::{Random, Store, Wanted, Weights};
use super::request::Request;
use super::serve::table_named;
use super::team::Team;

/// One thread's share.
struct Part {
    table: &'static Kernels,
    weights: Arc<Weights>,
    first: usize,
    rows: usize,
    cols: usize,
    m: usize,
    signs: Arc<Vec<i8>>,
    packed: Arc<Vec<u8>>,
    sums: Vec<i32>,
    turn: usize,
}

impl Part {
    fn run(&mut self) {
        let w = self.weights.rows(self.turn, self.first, self.rows);
        self.turn += 1;
        self.table.binary_matmul_bits(
            w,
            self.rows,
            self.cols,
            &self.packed,
            self.m,
            &mut self.sums,
        );
    }

    /// Compares a sample of the results with the definition.
    fn check(&self) -> Result<(), String> {
        let mut random = Random(17);
        for _ in 0..64 {
            let (row, i) = (random.below(self.rows), random.below(self.m));
            let codes = self.weights.codes(self.first + row);
            let signs = &self.signs[i * self.cols..][..self.cols];
            let exact: i32 = codes.zip(signs).map(|(w, &x)| i32::from(w) * i32::from(x)).sum();
            let found = self.sums[i * self.rows + row];
            if found != exact {
                let name = self.table.name;
                return Err(format!("{name} computes {found} where {exact} is right (row {row})"));
            }
        }
        Ok(())
    }
}

/// `m` rows of random signs and their packed form.
fn activations(m: usize, cols: usize) -> (Vec<i8>, Vec<u8>) {
    let mut random = Random(23);
    let signs: Vec<i8> = (0..m * cols).map(|_| 2 * random.below(2) as i8 - 1).collect();
    let mut packed = vec![0; m * row_bytes(Format::Binary, cols)];
    pack(Format::Binary, &signs, m, cols, &mut packed).expect("signs");
    (signs, packed)
}

/// Opens `{"name":"binary_bits","rows","cols","m","threads","isa","ring"}`.
pub(crate) fn open(request: &Request, store: &mut Store) -> Result<Case, String> {
    let table = table_named(request.text("isa")?)?;
    let (rows, cols, m) = (request.count("rows")?, request.count("cols")?, request.count("m")?);
    let threads = request.count("threads")?;
    let ring = request.number("ring").unwrap_or(0);
    let weights = store.get(Wanted { format: Format::Binary, rows, cols, ring });
    let (signs, packed) = activations(m, cols);
    let (signs, packed) = (Arc::new(signs), Arc::new(packed));
    let share = |thread: usize| rows * thread / threads;
    let mut parts: Vec<Part> = (0..threads)
        .map(|thread| {
            let (first, rows) = (share(thread), share(thread + 1) - share(thread));
            let (weights, signs) = (Arc::clone(&weights), Arc::clone(&signs));
            let (packed, sums) = (Arc::clone(&packed), vec![0; m * rows]);
            Part { table, weights, first, rows, cols, m, signs, packed, sums, turn: 0 }
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
