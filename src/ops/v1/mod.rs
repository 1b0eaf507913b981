//! The commands of `v1`: access of 1.x clients.

pub mod auth;
pub mod dbrp;
