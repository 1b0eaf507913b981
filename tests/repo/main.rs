//! Layers, imports, fixtures, corpora and documentation match each other.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout
)] // test code

#[path = "../support/mod.rs"]
mod support;

mod cli_page;
mod corpora;
mod documentation;
mod findings;
mod import_circles;
mod json_page;
mod layers;
mod manifest;
mod package;
mod unlisted_files;
