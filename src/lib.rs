//! Offline admin and recovery for the token store of InfluxDB OSS 2.x.
//!
//! The layers, top to bottom; each may use the layers below it, never those above:
//!
//! | module | knows |
//! | --- | --- |
//! | [`cli`] | arguments, terminal, environment, exit codes, tables and JSON text |
//! | [`ops`] | one file per command: options in, report out, both plain data |
//! | [`metadata`] | InfluxDB's records: authorizations, users, organizations, … |
//! | [`store`] | named buckets of bytes, snapshots, locks, page-level inspection |
//!
//! Beside them, usable by all: [`error`], [`finding`], [`secret`].

#[cfg(windows)]
compile_error!(
    "boltkey does not build on Windows: InfluxDB's file lock works differently there. \
     Build and run it on Linux or macOS, on a copy of the database if need be."
);

pub mod cli;
pub mod error;
pub mod finding;
pub mod metadata;
pub mod ops;
pub mod secret;
pub mod store;

pub use error::{Error, ErrorKind, Result};
