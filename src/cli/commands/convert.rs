//! `boltkey convert`, and what `boltkey compact` shares with it.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use serde::Serialize;

use crate::cli::exit::Outcome;
use crate::cli::session::Session;
use crate::cli::terminal::progress::Bar;
use crate::cli::terminal::ui::{Human, printable};
use crate::error::Result;
use crate::finding::counted;
use crate::ops::convert::{Copied, convert, could_convert};
use crate::store::{Engine, Progress};

/// Options of `convert`.
#[derive(Debug, Args)]
pub struct ConvertArgs {
    /// The file to write, new and readable by its owner only
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// The engine of the new file; by default the one that the database is not
    #[arg(long, value_name = "ENGINE")]
    engine: Option<EngineArg>,
}

/// An engine, as options name it.
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
/// As the operation.
pub fn run(args: ConvertArgs, session: &Session) -> Result<Outcome> {
    let engine = args.engine.map(Engine::from);
    copy(args.out, engine, "converting", session, |now| match now {
        Engine::Bolt => Engine::Redb,
        Engine::Redb => Engine::Bolt,
    })
}

/// Copies the database to `out` and reports it. Without an `engine` it is the one that
/// `otherwise` makes of the database's; `doing` is said while it is copied.
///
/// # Errors
/// As the operation.
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
#[serde(rename_all = "camelCase")]
struct Report {
    #[serde(flatten)]
    copied: Copied,
    #[serde(skip)]
    source_bytes: u64,
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
                "{path} would be written as a {engine} store; nothing was written"
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
                "the copy has none of the {} that only unused parts of the source still \
                 show;\nboltkey residue recover --out FILE gets them from the source",
                counted(self.copied.recoverable_left, "lost token")
            )?;
        }
        Ok(())
    }
}
