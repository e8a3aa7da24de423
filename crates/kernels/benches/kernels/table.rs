//! The table for reading: `cargo bench`. Tables of kernels take turns, so that a busy machine slows all of them; the best of the rounds counts.
//! Columns: operation, shape, table, billions of products (elements, bytes) a second, ratio to scalar.

use tritlens_kernels::{Format, available};

use super::case::Case;
use super::inputs::Store;
use super::request::Request;
use super::{dense, host, limits, serve, steps};

const ROUNDS: usize = 7;
/// Seconds of one turn.
const TURN: f64 = 0.01;

/// Prints everything whose name holds `wanted`.
pub(crate) fn print(wanted: &str) {
    for known in limits::loops() {
        let name = format!("limit {}", known.name);
        if name.contains(wanted) {
            rows(&name, vec![("1 thread", limits::case(known, 1))]);
        }
    }
    let mut store = Store::default();
    let kinds = ["packed_f32", "packed_i8", "binary_bits"];
    for (kind, m) in kinds.into_iter().flat_map(|kind| [(kind, 1), (kind, 64)]) {
        // One-bit products have one format.
        let formats = if kind == "binary_bits" { &[Format::Binary][..] } else { &Format::ALL };
        for &format in formats {
            let name = format!("{kind} {} m{m} 2560x2560", format.name());
            if name.contains(wanted) {
                rows(&name, on_every_table(|isa| packed(kind, format, m, isa, &mut store)));
            }
        }
    }
    for step in &steps::STEPS {
        let name = format!("{} {}x{}", step.name, step.rows, step.cols);
        if name.contains(wanted) {
            let open =
                |isa: &str| steps::case(step.name, step.rows, step.cols, serve::table_named(isa)?);
            rows(&name, on_every_table(open));
        }
    }
    for (m, n, k) in [(3300, 512, 128), (3300, 128, 512), (3300, 113, 128), (512, 128, 3300)] {
        let name = format!("dense {m}x{n}x{k}");
        if name.contains(wanted) {
            rows(&name, vec![("library", dense::case(m, n, k).expect("a right answer"))]);
        }
    }
}

fn packed(
    kind: &str,
    format: Format,
    m: usize,
    isa: &str,
    store: &mut Store,
) -> Result<Case, String> {
    let format = format.name();
    let text = format!("name:{kind},format:{format},rows:2560,cols:2560,m:{m},isa:{isa}");
    serve::open(&Request::parse(&text), store)
}

fn on_every_table(mut open: impl FnMut(&str) -> Result<Case, String>) -> Vec<(&'static str, Case)> {
    let opened = |table: &&'static tritlens_kernels::Kernels| {
        (table.name, open(table.name).expect("a right answer"))
    };
    available().iter().map(opened).collect()
}

/// Lets the cases take turns and prints a line each; the last one is what the others are compared with.
fn rows(name: &str, mut cases: Vec<(&str, Case)>) {
    let mut best = vec![f64::INFINITY; cases.len()];
    for _ in 0..ROUNDS {
        for ((_, case), best) in cases.iter_mut().zip(&mut best) {
            let took = case.seconds(TURN);
            if took < *best {
                *best = took;
            }
        }
    }
    let last = best[best.len() - 1];
    for ((table, case), seconds) in cases.iter().zip(&best) {
        let (rate, ratio) = (case.work / seconds / 1e9, last / seconds);
        host::say(&format!("{name:44} {table:10} {rate:8.2} G/s  {ratio:7.1}x"));
    }
}
