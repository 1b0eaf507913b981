//! `hash` and `residue scrub` on a device of the tests: power fails and disks fail at any moment,
//! tokens are searched for byte by byte, and what authenticated before authenticates after.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::panic,
    clippy::indexing_slicing
)] // test code

#[path = "../support/mod.rs"]
mod support;

mod authenticates;
mod crash;
mod fault;
mod stores;
