//! Interrupted changes: a power failure or a disk error at every call.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout
)] // test code

#[path = "../support/mod.rs"]
mod support;

mod disk_errors;
mod downgrade;
mod hash;
mod lost_pages;
mod many_tokens;
mod power_failures;
mod repair;
mod salvaged_images;
mod scrub_redb;
mod setup;
