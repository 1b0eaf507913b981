//! Organizations: list, create.

pub mod create;
pub mod list;
