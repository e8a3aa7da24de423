//! Which instruction set's kernels run: detected once, overridable by `TRITLENS_ISA`.

use std::sync::OnceLock;

use crate::table::{Kernels, SCALAR};

/// Every table this machine and build can run, best first; the last one is always `scalar`.
pub fn available() -> &'static [&'static Kernels] {
    static TABLES: OnceLock<Vec<&'static Kernels>> = OnceLock::new();
    TABLES.get_or_init(|| {
        let mut tables = crate::arch::detect();
        if !cfg!(all(feature = "lean", target_arch = "wasm32", target_feature = "simd128")) {
            tables.push(&SCALAR);
        }
        tables
    })
}

/// The table in use.
///
/// `TRITLENS_ISA` picks one by the name that [`Kernels`] has. A name that this machine cannot run is an error of the
/// person who set it, and running something else in silence would make their measurement a lie.
///
/// # Panics
/// When `TRITLENS_ISA` names a table that is not in [`available`].
pub fn kernels() -> &'static Kernels {
    static SELECTED: OnceLock<&'static Kernels> = OnceLock::new();
    SELECTED.get_or_init(|| match std::env::var("TRITLENS_ISA") {
        Ok(wanted) if !wanted.is_empty() => by_name(&wanted),
        _ => available()[0],
    })
}

/// Name of the instruction set in use, such as `scalar` or `avx2`; the names are listed at [`Kernels`].
pub fn isa() -> &'static str {
    kernels().name
}

fn by_name(wanted: &str) -> &'static Kernels {
    let found = available().iter().find(|table| table.name == wanted);
    found.copied().unwrap_or_else(|| {
        let names: Vec<_> = available().iter().map(|table| table.name).collect();
        panic!("TRITLENS_ISA={wanted} cannot run here; available: {}", names.join(", "))
    })
}
