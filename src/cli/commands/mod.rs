//! The commands: a file for each, a folder for each group, named as in `ops`. A file holds the
//! command's arguments (`Args`) and a `run` that turns them into options, calls the operation
//! and hands its report to the [`Ui`](crate::cli::terminal::report::Ui).

pub mod apply;
pub mod auth;
pub mod backup;
pub mod bucket;
pub mod capture;
pub mod check;
pub mod compact;
pub mod completions;
pub mod convert;
pub mod diff;
pub mod doctor;
pub mod downgrade;
pub mod explain;
pub mod hash;
pub mod locate;
pub mod login_line;
pub mod man;
pub mod org;
pub mod recover;
pub mod repair;
pub mod report;
pub mod residue;
pub mod salvage;
pub mod setup;
pub mod status;
pub mod token;
pub mod token_report;
pub mod user;
pub mod v1;
