//! The commands of `org`.

pub mod create;
pub mod list;
