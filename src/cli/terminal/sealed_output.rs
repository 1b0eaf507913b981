//! The output of a command that writes secrets: a new file or standard output, encrypted or not.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::Args;

use crate::cli::session::Session;
use crate::cli::terminal::closed_stdout;
use crate::cli::terminal::encryption::SealArgs;
use crate::error::{Error, ErrorKind, Result};
use crate::ops::capture::seal::Seal;
use crate::ops::files::secret_output::OutputFile;

/// The name of the stream in messages.
const STDOUT: &str = "standard output";

/// Options for the output.
#[derive(Debug, Args)]
pub struct SealedOutArgs {
    /// Output file, which must not exist; created with mode 0600 (- for standard output)
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
    #[command(flatten)]
    seal: SealArgs,
}

/// An open output.
pub struct SealedOutput {
    /// None in a dry run.
    file: Option<OutputFile>,
    path: PathBuf,
    seal: Seal,
}

impl SealedOutArgs {
    /// Opens the output and reads the passphrase, before the lock is taken. `hint` is for `--json`
    /// with standard output.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] when report and secrets would both go to standard output; otherwise the
    /// errors of [`OutputFile::create`] and of reading a secret.
    pub fn open(&self, session: &Session, hint: &str) -> Result<SealedOutput> {
        let to_stdout = self.out == Path::new("-");
        if to_stdout && session.ui().json() {
            return Err(Error::new(
                ErrorKind::Usage,
                "--json and --out - can't both write to standard output",
            )
            .with_hint(hint.to_owned()));
        }
        if closed_stdout::is_named_by(&self.out) && !session.dry_run() {
            closed_stdout::ensure_open()?;
        }
        let seal = self.seal.seal()?;
        let file = match (session.dry_run(), to_stdout) {
            (true, true) => None,
            (true, false) => {
                OutputFile::could_create(&self.out)?;
                None
            }
            (false, true) => Some(OutputFile::to_stream(Box::new(io::stdout()), STDOUT)),
            (false, false) => Some(OutputFile::create(&self.out)?),
        };
        Ok(SealedOutput {
            file,
            path: self.out.clone(),
            seal,
        })
    }
}

impl SealedOutput {
    /// Whether the secrets are written to standard output. Then the report is not printed there.
    #[must_use]
    pub fn is_stdout(&self) -> bool {
        self.path == Path::new("-") && self.file.is_some()
    }

    /// Whether the secrets are encrypted.
    #[must_use]
    pub fn is_sealed(&self) -> bool {
        self.seal.is_closed()
    }

    /// Writes the secrets. The file gets its name when it is complete. Does nothing in a dry run.
    ///
    /// # Errors
    /// When the output can't be written. No file is left behind.
    pub fn write(self, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<()> {
        let what = if self.is_stdout() {
            STDOUT.into()
        } else {
            self.path.display().to_string()
        };
        let Some(mut file) = self.file else {
            return Ok(());
        };
        self.seal.write(&mut file, &what, write)?;
        file.finish()?;
        Ok(())
    }
}
