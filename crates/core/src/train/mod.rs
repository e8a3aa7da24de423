//! Training: a data set prepared for the exact savings, and the trainer that takes whole steps without leaving Rust.

mod batch;
pub mod config;
pub mod data;
mod lane;
mod prepared;
pub mod trainer;

pub use config::TrainConfig;
pub use data::Data;
pub use prepared::LANES;
pub use trainer::Trainer;
