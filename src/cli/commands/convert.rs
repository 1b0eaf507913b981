//! `boltkey convert`, and the code shared with `boltkey compact`.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use serde::Serialize;

use crate::cli::exit::Outcome;
use crate::cli::session::Session;
use crate::cli::terminal::progress::Bar;
use crate::cli::terminal::report::{Human, printable, told};
use crate::error::Result;
use crate::finding::counted;
use crate::ops::convert::{Copied, convert, could_convert};
use crate::store::{Engine, Progress};

/// Options of `convert`.
#[derive(Debug, Args)]
pub struct ConvertArgs {
    /// Output file, which must not exist; created with mode 0600
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Engine of the new file [default: the other engine]
    #[arg(long, value_name = "ENGINE")]
    engine: Option<EngineArg>,
}

/// The engines.
#[derive(Debug, Clone, Copy, ValueEnum)]
#[allow(missing_docs)]
pub enum EngineArg {
    Redb,
    Bolt,
}

impl From<EngineArg> for Engine {
    fn from(engine: EngineArg) -> Self {
        match engine {
            EngineArg::Redb => Self::Redb,
            EngineArg::Bolt => Self::Bolt,
        }
    }
}

/// Runs `convert`.
///
/// # Errors
/// The errors of the operation.
pub fn run(args: ConvertArgs, session: &Session) -> Result<Outcome> {
    let engine = args.engine.map(Engine::from);
    copy(args.out, engine, "converting", session, |now| match now {
        Engine::Bolt => Engine::Redb,
        Engine::Redb => Engine::Bolt,
    })
}

/// Copies the database to `out` and prints a report. Without `engine`, `otherwise` chooses it from
/// the current engine. `doing` is the progress message.
///
/// # Errors
/// The errors of the operation.
pub fn copy(
    out: PathBuf,
    engine: Option<Engine>,
    doing: &'static str,
    session: &Session,
    otherwise: impl FnOnce(Engine) -> Engine,
) -> Result<Outcome> {
    let store = session.open()?;
    let engine = engine.unwrap_or_else(|| otherwise(store.description().engine));
    let source_bytes = store.description().size_bytes;
    let (copied, findings) = if session.dry_run() {
        could_convert(&store, &out, engine)?
    } else {
        let bar = Bar::new(session.ui(), doing, source_bytes);
        let tell = |done| bar.at(done);
        convert(&store, &out, engine, &Progress::new(&tell))?
    };
    drop(store);
    session.ui().warn(&findings);
    session.ui().report(&Report {
        copied,
        source_bytes,
        dry_run: session.dry_run(),
    })?;
    Ok(Outcome::Done)
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// What was written.
    #[serde(flatten)]
    copied: Copied,
    #[serde(skip)]
    source_bytes: u64,
    /// Only in a dry run, and true there: nothing was changed.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    dry_run: bool,
}

impl Human for Report {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let path = printable(&self.copied.out.display().to_string());
        let engine = self.copied.engine.name();
        if self.dry_run {
            writeln!(
                out,
                "would write {path} as a {engine} store; nothing was written"
            )?;
        } else {
            writeln!(
                out,
                "wrote {path}, a {engine} store of {} bytes (the source has {})",
                self.copied.size_bytes, self.source_bytes
            )?;
        }
        if self.copied.recoverable_left > 0 {
            writeln!(
                out,
                "the copy {} contain the {} left in unused parts of the source;\n\
                 boltkey residue recover --out FILE recovers them from the source",
                told(self.dry_run, "would not", "does not"),
                counted(self.copied.recoverable_left, "lost token")
            )?;
        }
        Ok(())
    }
}
