//! The program as users and scripts see it: exit codes, streams, JSON, and that reading writes
//! nothing. Each test has its own sandbox.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout
)] // test code

#[path = "../support/mod.rs"]
mod support;

mod apply;
mod apply_v1;
mod arguments;
mod auth_create;
mod auth_export;
mod auth_list_table;
mod auth_many;
mod auth_rotate;
mod auth_show;
mod auth_verify;
mod backup_export;
mod backup_restore;
mod backup_restore_tokens;
mod backup_token;
mod bounds;
mod bounds_inputs;
mod bounds_memory;
mod bounds_of_others;
mod bucket_adopt;
mod bucket_create;
mod capture;
mod capture_verify;
mod completions;
mod confirmed;
mod convert;
mod cures;
mod diff;
mod discovery;
mod doctor;
mod doctor_host;
mod downgrade;
mod downgrade_prepare;
mod dry_runs;
mod embedded_tokens;
mod every_command;
mod explain;
mod field_writes;
mod findings;
mod global_options;
mod hash;
mod help;
mod hints;
mod hostile_backups;
mod hostile_files;
mod hostile_host;
mod hostile_pages;
mod hot_journals;
mod interruption;
mod keep_copy;
mod locate;
mod locks;
mod moved_stores;
mod moved_stores_left_out;
mod names;
mod one_set;
mod oracle;
mod previous;
mod reading_commands;
mod recover_operator;
mod repair;
mod report;
mod report_many;
mod report_secrets;
mod residue_missing;
mod residue_scrub;
mod right_store;
mod salvage;
mod same_file;
mod schemas;
mod secret_input;
mod secrets_stay_secret;
mod setup;
mod side_files;
mod simultaneous_runs;
mod terminal;
mod terminal_width;
mod token;
mod token_out;
mod unknown_not_zero;
mod unknown_schema;
mod user_org;
mod user_verify;
mod v1_auth;
mod v1_dbrp;
mod version;
mod wrong_paths;

use support::sandbox::{Ran, Sandbox};
use support::{fixtures, sandbox, scene};
