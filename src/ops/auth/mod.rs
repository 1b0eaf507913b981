//! Authorizations: list, show, verify, create, clone, rotate, update, delete, export.

pub mod access;
pub mod affected_tokens;
pub(crate) mod changed_records;
pub mod clone;
pub mod create;
pub mod delete;
pub mod export;
pub mod list;
pub(crate) mod next_step;
pub(crate) mod record;
pub mod rotate;
pub mod rotate_many;
pub mod selected_tokens;
pub mod show;
pub mod update;
pub mod verify;
