//! aarch64.
//!
//! | table | needs | first processors |
//! |---|---|---|
//! | `neoni8mm` | NEON, dotprod, i8mm | Neoverse V1 (2020), Apple M2 |
//! | `neondot` | NEON, dotprod | Cortex-A76 (2018), Neoverse N1, Apple M1 |
//! | `neon` | NEON, which every aarch64 processor has | Cortex-A53 (2012) |

mod neon;
mod neondot;
mod neoni8mm;

use std::arch::is_aarch64_feature_detected;

use crate::table::Kernels;

/// The tables this processor can run, best first.
pub(crate) fn detect() -> Vec<&'static Kernels> {
    let dotprod = is_aarch64_feature_detected!("dotprod");
    let tables = [
        (dotprod && is_aarch64_feature_detected!("i8mm"), &neoni8mm::TABLE),
        (dotprod, &neondot::TABLE),
        (true, &neon::TABLE),
    ];
    tables.into_iter().filter(|(runs, _)| *runs).map(|(_, table)| table).collect()
}
