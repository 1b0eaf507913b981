//! The commands of `v1 dbrp`: which bucket a 1.x database with a retention policy means.

pub mod create;
pub mod delete;
pub mod find;
pub mod list;
pub mod mapping;
pub mod update;
