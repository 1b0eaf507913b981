//! The storage engines without InfluxDB's records: reading, commits, and reports about damage.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss
)] // test code

#[path = "../support/mod.rs"]
mod support;

mod bit_flips;
mod commit;
mod damaged_files;
mod damaged_stores;
mod engines_agree;
mod garbage;
mod parallel_scan;
