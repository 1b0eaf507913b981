//! Backup and restore: round trips, full disks, kills at any moment, damaged backups. The result is
//! nothing or complete, and existing files stay.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::panic,
    clippy::indexing_slicing
)] // test code

#[path = "../support/mod.rs"]
mod support;

mod damage;
mod double;
mod faults;
mod full_disks;
mod killed;
mod no_temporary_folder;
mod order_of_steps;
mod round_trip;
mod scene;
mod unused_bytes;
