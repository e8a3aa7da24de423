//! tritlens-core: programs of low-bit and dense layers with a site at every activation.
//!
//! A [`program::Program`] is compiled from a Spec (JSON), a [`program::Run`] executes it and pauses at sites, a [`train::Trainer`] trains it.
//! The whole outside surface is [`surface`]: free functions over handles, slices and strings, from which both bindings are made.
#![forbid(unsafe_code)]

mod arrays;
pub mod edit;
pub mod error;
pub mod formats;
pub mod infer;
pub mod ops;
pub mod optim;
pub mod packed;
pub mod par;
pub mod program;
pub mod quant;
pub mod rng;
pub mod stored;
pub mod surface;
pub mod train;
