//! `boltkey completions`.

use std::io::{self, Write};

use clap::Args;
use clap_complete::Shell;
use serde::Serialize;

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

/// Runs `completions`: prints the completion script of `program`.
///
/// # Errors
/// When standard output can't be written.
pub fn run(
    args: &CompletionsArgs,
    mut program: clap::Command,
    session: &Session,
) -> Result<Outcome> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut program, "boltkey", &mut script);
    session.ui().report(&Completions {
        shell: args.shell.to_string(),
        script: String::from_utf8_lossy(&script).into_owned(),
    })?;
    Ok(Outcome::Done)
}

#[derive(Serialize)]
struct Completions {
    shell: String,
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
