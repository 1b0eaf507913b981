//! Backups there and back, and where something fails: the disk is full at any write, the program
//! is killed, a backup is damaged. What is left is nothing, or whole; and what stood there stays.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::panic,
    clippy::indexing_slicing
)] // test code

#[path = "../support/mod.rs"]
mod support;

mod compact;
mod damage;
mod double;
mod faults;
mod full_disks;
mod killed;
mod scene;
mod steps;
mod there_and_back;
