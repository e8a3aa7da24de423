//! Fixed work on fixed inputs, for counting instructions: `bench/count.mjs` runs this under callgrind.
//!
//! Callgrind counts only inside of [`measured`] and writes one total each time it returns. Every case is measured with one and with three repetitions, so that what
//! a call costs around the kernel cancels: instructions of one repetition are half of the difference. Prints the names in order.

use tritlens_kernels::{Format, Kernels, available};

use super::case::Case;
use super::host;
use super::inputs::Store;
use super::request::Request;
use super::serve::open;
use super::steps;

/// The shape of every product: enough rows that preparing the activations is as small a part as it is in a layer, and columns that are no whole blocks of
/// any format, so that tails count too.
const ROWS: usize = 192;
const COLS: usize = 2700;
/// Kernels of training, at shapes small enough for an emulator.
const STEPS: [(&str, usize, usize); 6] = [
    ("adamw", 1, 4099),
    ("cross_entropy", 32, 113),
    ("softmax", 64, 65),
    ("quantize_act_rows", 4, 1300),
    ("quantize_ternary", 1, 4099),
    ("sum_abs", 1, 4099),
];

/// What callgrind watches. Something has to be left to do after the call: callgrind does not see the end of a function that jumps into its last call.
#[inline(never)]
fn measured(case: &mut Case, repeats: usize) {
    case.repeat(repeats);
    std::hint::black_box(case);
}

fn count_one(name: &str, case: Result<Case, String>) {
    let mut case = case.expect("a right answer");
    case.repeat(1);
    measured(&mut case, 1);
    measured(&mut case, 3);
    host::answer(name);
}

/// Runs every case on every table that can run here.
pub(crate) fn count() {
    let mut store = Store::default();
    for table in available() {
        // The scalar kernels do the same for every column; one is enough, and an emulator is slow.
        let columns: &[usize] = if table.name == "scalar" { &[1] } else { &[1, 16] };
        for &m in columns {
            for format in Format::ALL {
                for kind in ["packed_i8", "packed_f32"] {
                    let name = format!("{kind} {} m{m} {}", format.name(), table.name);
                    count_one(&name, packed(kind, format, m, table, &mut store));
                }
            }
            let name = format!("binary_bits m{m} {}", table.name);
            count_one(&name, packed("binary_bits", Format::Binary, m, table, &mut store));
        }
        for (step, rows, cols) in STEPS {
            let name = format!("{step} {rows}x{cols} {}", table.name);
            count_one(&name, steps::case(step, rows, cols, table));
        }
    }
}

fn packed(
    kind: &str,
    format: Format,
    m: usize,
    table: &Kernels,
    store: &mut Store,
) -> Result<Case, String> {
    let (format, isa) = (format.name(), table.name);
    let text = format!("name:{kind},format:{format},rows:{ROWS},cols:{COLS},m:{m},isa:{isa}");
    open(&Request::parse(&text), store)
}
