//! The commands of `bucket`.

pub mod list;
