//! The commands of `bucket`.

pub mod adopt;
pub mod adoptable;
pub mod create;
pub mod list;
