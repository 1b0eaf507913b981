//! `boltkey completions`.

use std::io::{self, Write};

use clap::Args;
use serde::Serialize;

use crate::cli::completion::{Shell, script};
use crate::cli::exit::Outcome;
use crate::cli::session::Session;
use crate::cli::terminal::report::Human;
use crate::error::Result;

/// Options of `completions`.
#[derive(Debug, Args)]
pub struct CompletionsArgs {
    /// Shell
    #[arg(value_name = "SHELL")]
    shell: Shell,
}

/// Runs `completions`: prints the script for a shell.
///
/// # Errors
/// When standard output can't be written.
pub fn run(args: &CompletionsArgs, session: &Session) -> Result<Outcome> {
    session.ui().report(&Completions {
        shell: args.shell.name(),
        script: script(args.shell),
    })?;
    Ok(Outcome::Done)
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Completions {
    /// The shell.
    shell: &'static str,
    /// The script to be loaded by the shell.
    script: String,
}

impl Human for Completions {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        out.write_all(self.script.as_bytes())
    }

    fn is_exact(&self) -> bool {
        true
    }
}
