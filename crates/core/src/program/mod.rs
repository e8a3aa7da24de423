//! A program: a checked Spec with its parameters, ready to be laid out and run.
//!
//! `spec` is the data, `read` (over `json`) makes it from text, `compile` checks it and infers sizes, `plan` decides which rows each node is computed for and where it lies,
//! `exec` (and `attention`, `fold`) runs nodes, `run` is the step machine that pauses at sites.

mod attention;
pub mod check;
pub mod compile;
pub mod exec;
pub mod fold;
mod json;
mod nodes;
pub mod params;
pub mod places;
pub mod plan;
mod read;
mod refresh;
pub mod roles;
pub mod run;
pub mod scratch;
pub mod spec;
pub(crate) mod weights;

pub use compile::Program;
pub use params::Params;
pub use plan::{Mode, Plan};
pub use run::{Grads, Run};
pub use spec::{NodeSpec, Spec};
