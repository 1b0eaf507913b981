//! The commands of `bucket`.

pub mod adopt;
pub mod adoptable;
pub mod create;
mod lacking_shards;
pub mod list;
