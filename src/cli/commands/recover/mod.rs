//! `boltkey recover`.

pub mod operator;
