//! The commands of `bucket`.

pub mod adopt;
pub mod list;
