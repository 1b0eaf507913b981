//! What the records of real servers mean: authorizations, what their check finds, and tokens that
//! unused bytes show.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout
)] // test code

#[path = "../support/mod.rs"]
mod support;

mod authorizations;
mod check;
mod planted_tokens;
