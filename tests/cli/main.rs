//! The program as users and scripts see it: exit codes, streams, JSON, and that nothing is ever
//! written. Each test has a sandbox of its own.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout
)] // test code

mod changing;
mod copying;
mod discovery;
mod globals;
mod help;
mod hints;
mod locating;
mod oracle;
mod outputs;
mod reading;
mod sandbox;
mod scene;
mod secrets;
mod setting_up;
mod token;
mod tokens;
mod wrong_things;

use sandbox::{Ran, Sandbox};
