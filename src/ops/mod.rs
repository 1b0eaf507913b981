//! What the commands do: one file per command, options in, report out, both plain data.
//! Knows nothing of terminals, arguments or page formats.

pub mod auth_clone;
pub mod auth_create;
pub mod auth_delete;
pub mod auth_list;
pub mod auth_rotate;
pub mod auth_show;
pub mod auth_update;
pub mod auth_verify;
pub mod bucket;
pub mod capture;
pub mod captures;
pub mod check;
pub mod choose;
pub mod commit;
pub mod convert;
mod describe;
pub mod engine_folder;
pub mod keeping;
pub mod locate;
pub mod made;
pub mod moment;
pub mod new_file;
pub mod new_id;
pub mod new_token;
pub mod org;
pub mod output;
mod record;
pub mod recover_operator;
pub mod residue;
pub mod seal;
pub mod siblings;
pub mod status;
pub mod token;
mod token_survey;
pub mod user;
