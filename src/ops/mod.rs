//! The work of the commands: a file for each command, a folder for each group, named as in
//! `cli/commands`. Options in, report out, both plain data. Knows nothing of terminals, arguments
//! or page formats.

pub mod apply;
pub mod auth;
pub mod backup;
pub mod bucket;
pub mod capture;
pub mod check;
pub mod commit;
pub mod convert;
pub mod diff;
pub mod doctor;
pub mod downgrade;
pub mod explain;
pub mod files;
pub mod hash;
pub mod known;
pub mod locate;
pub mod lockout;
pub mod logins;
pub mod metadata_store;
pub mod named_permission;
pub mod org;
pub mod previous;
pub mod recover;
pub mod repair;
pub mod report;
pub mod residue;
pub mod resolve;
pub mod salvage;
pub mod setup;
pub mod status;
pub mod timestamp;
pub mod token;
pub mod token_counts;
pub mod token_plan;
pub mod user;
pub mod v1;
pub mod way_out;
