//! `boltkey bucket`.

pub mod list;
