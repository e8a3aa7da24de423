//! Speed of every kernel on every table of this machine, and of the loops that bound them.
//!
//! * `cargo bench --package tritlens-kernels [-- WORD]`, or in WebAssembly `node crates/kernels/run-wasm.mjs bench [WORD]`: a table for reading.
//! * `... serve`: answers requests of `bench/`, one JSON object a line, so that other programs can take turns with it (serve.rs).
//! * `... count`: fixed work on fixed inputs for callgrind (count.rs).
//!
//! Every case checks its answer when it is opened, before anything is timed.

mod bits;
mod case;
mod count;
mod dense;
mod inputs;
mod limits;
mod product;
mod request;
mod serve;
mod steps;
mod table;
mod team;

#[path = "../../examples/host/mod.rs"]
mod host;

pub(crate) fn main() {
    let words = host::arguments();
    match words.first().map(String::as_str) {
        Some("serve") => serve::serve(),
        Some("count") => count::count(),
        wanted => table::print(wanted.unwrap_or_default()),
    }
}
