//! The commands of `downgrade`: check, prepare, apply.

pub mod apply;
pub mod check;
pub mod prepare;
pub mod sql_side;
