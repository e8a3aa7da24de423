//! Forward runs that keep only what somebody needs: activations share memory, attention is computed without its scores unless they are listened to, taps only
//! where a listener waits, and keys and values may be kept between runs ([`Session`]). Same values at every site as [`crate::program::Run`], which keeps everything
//! and has gradients.
//!
//! `plan` decides what is computed and where it lies, `exec` (with `rowwise`, `linear`, `attention`) computes one node, `session` keeps keys and values, `run` is the
//! step machine.

mod attend;
mod attention;
mod exec;
mod linear;
mod place;
mod plan;
mod rows;
mod rowwise;
mod run;
mod session;
mod sweep;

pub use plan::{Plan, Sizes};
pub use run::InferenceRun;
pub use session::Session;
pub use sweep::{Request as SweepRequest, sweep};
