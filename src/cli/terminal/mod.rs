//! Streams and people: reports, tables, progress, questions, secrets that are typed in.

pub(crate) mod auth_details;
mod echo;
pub(crate) mod progress;
pub(crate) mod prompt;
pub(crate) mod sealing;
pub mod secret_input;
pub(crate) mod stdout;
pub(crate) mod table;
pub(crate) mod ui;
pub(crate) mod usage;
pub(crate) mod wrap;
