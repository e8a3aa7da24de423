//! One thin file per instruction set; nothing here but loads, arithmetic and wrappers.

use crate::table::Kernels;

/// The tables this machine can run besides the scalar one, best first.
pub(crate) fn detect() -> Vec<&'static Kernels> {
    Vec::new()
}
