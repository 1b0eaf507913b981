//! Authorizations: list, show, verify, create, clone, rotate, update, delete.

pub mod clone;
pub mod create;
pub mod delete;
pub mod list;
pub(crate) mod next_step;
pub(crate) mod record;
pub mod rotate;
pub mod show;
pub mod update;
pub mod verify;
