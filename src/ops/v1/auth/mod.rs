//! The commands of `v1 auth`: 1.x users, which InfluxDB keeps as 1.x-compatible authorizations.

pub mod create;
pub mod delete;
pub mod find;
pub mod password;
pub mod plan;
pub mod update;
pub mod verify;
