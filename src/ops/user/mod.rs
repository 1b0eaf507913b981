//! Users: list, create, delete, set a password.

pub mod create;
pub mod delete;
pub mod list;
pub mod password;
