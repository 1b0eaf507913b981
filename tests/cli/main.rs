//! The program as users and scripts see it: exit codes, streams, JSON, and that nothing is ever
//! written. Each test has a sandbox of its own.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout
)] // test code

mod applying;
mod backup_tokens;
mod backups;
#[allow(clippy::expect_used)]
#[path = "../support/device.rs"]
mod device;

mod changing;
mod confirmed;
mod copying;
mod discovery;
mod downgrade;
mod globals;
mod hashing;
mod help;
mod hints;
mod hostile_backups;
mod hot_journals;
mod locating;
mod openers;
mod oracle;
mod outputs;
mod people;
mod planted_secrets;
mod prepare;
mod reading;
mod restoring;
mod sandbox;
mod scene;
mod scrubbing;
mod secrets;
mod setting_up;
mod terminal;
mod token;
mod tokens;
mod tokens_changed;
mod wrong_things;

use sandbox::{Ran, Sandbox};
