//! The optimiser's numbers: learning-rate schedules and `AdamW`'s hyper-parameters. The update itself is a kernel.

pub mod schedule;

pub use schedule::Schedule;
