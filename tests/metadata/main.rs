//! The records of real servers: authorizations, the findings of their check, and tokens in unused
//! bytes.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout
)] // test code

#[path = "../support/mod.rs"]
mod support;

mod auth_list;
mod authorization_records;
mod check;
mod planted_tokens;
mod repair;
mod salvage;
