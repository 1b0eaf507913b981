//! The commands of `token`, which need no database.

pub mod generate;
pub mod hash;
