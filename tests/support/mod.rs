//! Shared by the test programs: fixtures, simulated disks, and the program in a sandbox.

#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)] // test code

pub mod bolt_image;
pub mod bounded;
pub mod damage;
pub mod device;
pub mod engine_folder;
pub mod fixtures;
pub mod operations;
pub mod program;
pub mod record_changes;
pub mod reported_stores;
pub mod salvage;
pub mod sandbox;
pub mod scene;
pub mod schemas;
pub mod stage;
pub mod stdout_terminal;
pub mod store_image;
pub mod things;
pub mod threads;
