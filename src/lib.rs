//! Offline admin and recovery for the token store of InfluxDB OSS 2.x.
//!
//! This crate is for the `boltkey` program, its tests and its fuzz targets. It promises no stability
//! to other users: anything here may change in any release. Scripts rely on the program: command
//! names, options, exit codes and JSON fields.
//!
//! It promises these things to its callers:
//!
//! * No `unsafe` code. A damaged or hostile file causes an error or a finding, never a panic.
//! * Below [`cli`], nothing prints, prompts, reads the environment or ends the process.
//! * An [`Error`] says what happened to the database ([`error::Effect`]).
//! * A secret is a [`secret::Token`], which can't be printed by accident.
//!
//! The layers, top to bottom. A layer uses the layers below it, never those above:
//!
//! | module | knows |
//! | --- | --- |
//! | [`cli`] | arguments, terminal, environment, exit codes, tables and JSON text |
//! | [`ops`] | what each command does: options in, report out, both plain data |
//! | [`metadata`] | InfluxDB's records: authorizations, users, organizations, … |
//! | [`store`] | named buckets of bytes, snapshots, locks, page-level inspection |
//!
//! All layers may use [`error`], [`finding`] and [`secret`]. `CONTRIBUTING.md` maps the files, and
//! `docs/design.md` says how a change is made and why it survives a crash.

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
