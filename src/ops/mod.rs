//! What the commands do: one file per command, options in, report out, both plain data.
//! Knows nothing of terminals, arguments or page formats.

pub mod auth_list;
pub mod auth_show;
pub mod auth_verify;
pub mod backup;
pub mod bucket;
pub mod capture;
pub mod capture_first;
pub mod captures;
pub mod check;
pub mod commit;
pub mod convert;
pub mod downgrade_apply;
pub mod downgrade_check;
pub mod downgrade_prepare;
pub mod engine_folder;
pub mod hash;
pub mod moment;
pub mod new_file;
pub mod new_id;
pub mod org;
pub mod output;
pub mod recover_operator;
pub mod residue;
pub mod scrub;
pub mod seal;
pub mod siblings;
pub mod status;
pub mod token;
pub mod user;
