//! Terminal input and output: reports, tables, progress, questions, secret prompts.

pub(crate) mod auth_details;
pub(crate) mod choose_owner;
pub(crate) mod closed_stdout;
mod echo;
pub(crate) mod encryption;
pub(crate) mod incomplete;
pub(crate) mod interruption;
pub(crate) mod progress;
pub(crate) mod prompt;
pub(crate) mod report;
pub mod sealed_output;
pub mod secret_input;
pub(crate) mod style;
pub(crate) mod table;
pub(crate) mod token_numbers;
pub(crate) mod unread_files;
pub(crate) mod usage;
pub(crate) mod width;
pub(crate) mod wrap;
