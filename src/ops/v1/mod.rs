//! The commands of `v1`: access of 1.x clients.

pub mod access;
pub mod auth;
pub mod dbrp;
