//! The commands of `recover`.

pub mod operator;
