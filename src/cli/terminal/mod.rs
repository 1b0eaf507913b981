//! Terminal input and output: reports, tables, progress, questions, secret prompts.

pub(crate) mod auth_details;
mod echo;
pub(crate) mod password_input;
pub(crate) mod progress;
pub(crate) mod prompt;
pub(crate) mod sealing;
pub mod secret_input;
pub(crate) mod stdout;
pub(crate) mod table;
pub(crate) mod ui;
pub(crate) mod usage;
pub(crate) mod wrap;
