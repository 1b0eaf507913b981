//! `boltkey backup export`.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use serde::Serialize;

use crate::cli::exit::Outcome;
use crate::cli::session::Session;
use crate::cli::terminal::closed_stdout;
use crate::cli::terminal::progress::Bar;
use crate::cli::terminal::report::{Human, printable, told};
use crate::cli::terminal::wrap::write_wrapped;
use crate::error::{Error, ErrorKind, Result};
use crate::finding::counted;
use crate::ops::backup::Compression;
use crate::ops::backup::export::{Exported, Options, Out, could_export, export};
use crate::ops::backup::summary::NamedShard;
use crate::ops::files::disk::RealDisk;

/// Options of `backup export`.
#[derive(Debug, Args)]
#[command(after_help = "\
The backup contains metadata: tokens, users, organizations, buckets, dashboards
and tasks. It contains no points. influx restore --full replaces everything on a
server, so with this backup it deletes all shards of that server. Therefore the
.manifest file is written only with --influx-manifest, and the report lists the
shards.

Stop the server first. The snapshot contains no unused pages, so tokens left in
unused parts of the database are not in it.")]
pub struct ExportArgs {
    /// Output folder, created if missing (- for a tar stream on standard output)
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// SQLite file [default: influxd.sqlite beside the database, if it exists]
    #[arg(long, value_name = "PATH")]
    sqlite_path: Option<PathBuf>,
    /// Compression of the files
    #[arg(long, value_name = "HOW", default_value = "gzip")]
    compression: CompressionArg,
    /// Write a .manifest too, so that influx restore --full accepts the backup (deletes all
    /// shards of that server)
    #[arg(long)]
    influx_manifest: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum CompressionArg {
    Gzip,
    None,
}

impl From<CompressionArg> for Compression {
    fn from(compression: CompressionArg) -> Self {
        match compression {
            CompressionArg::Gzip => Self::Gzip,
            CompressionArg::None => Self::None,
        }
    }
}

/// Runs `backup export`.
///
/// # Errors
/// The errors of the operation, and an error when standard output can't be written.
pub fn run(args: &ExportArgs, session: &Session) -> Result<Outcome> {
    let to_stdout = args.out == Path::new("-");
    if to_stdout && session.ui().json() {
        return Err(Error::new(
            ErrorKind::Usage,
            "--json and --out - can't both write to standard output",
        )
        .with_hint("use --out with a folder"));
    }
    if to_stdout && !session.dry_run() {
        closed_stdout::ensure_open()?;
    }
    let store = session.open_metadata()?;
    let beside = || {
        let path = store.description().path.with_file_name("influxd.sqlite");
        path.symlink_metadata().is_ok().then_some(path)
    };
    let options = Options {
        sqlite: args.sqlite_path.clone().or_else(beside),
        compression: args.compression.into(),
        influx_manifest: args.influx_manifest,
        now: whole_second(jiff::Timestamp::now()),
    };
    let folder = (!to_stdout).then_some(args.out.as_path());
    let (exported, findings) = if session.dry_run() {
        could_export(&store, &options, folder)?
    } else {
        let bar = Bar::new(session.ui(), "exporting", store.description().size_bytes);
        let tell = |done| bar.at(done);
        match folder {
            Some(folder) => export(&store, &options, Out::Folder(folder), &RealDisk, &tell)?,
            None => {
                let mut stream = io::stdout().lock();
                let name = Path::new("standard output");
                export(
                    &store,
                    &options,
                    Out::Stream(&mut stream, name),
                    &RealDisk,
                    &tell,
                )?
            }
        }
    };
    drop(store);
    session.ui().warn(&findings);
    let report = Report {
        exported,
        dry_run: session.dry_run(),
    };
    if to_stdout && !session.dry_run() {
        let mut text = Vec::new();
        // A vector takes everything.
        let _ = report.write(&mut text);
        for line in String::from_utf8_lossy(&text).lines() {
            session.ui().status(line);
        }
    } else {
        session.ui().report(&report)?;
    }
    Ok(Outcome::Done)
}

/// Truncates to seconds, as in the file names.
fn whole_second(time: jiff::Timestamp) -> jiff::Timestamp {
    jiff::Timestamp::from_second(time.as_second()).unwrap_or(time)
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// What was written.
    #[serde(flatten)]
    exported: Exported,
    /// Only in a dry run, and true there: nothing was changed.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    dry_run: bool,
}

impl Human for Report {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let exported = &self.exported;
        let place = if exported.out == Path::new("-") {
            String::from("standard output")
        } else {
            printable(&exported.out.display().to_string())
        };
        if self.dry_run {
            writeln!(
                out,
                "would write a metadata backup to {place}; nothing was written"
            )?;
        } else {
            writeln!(out, "wrote a metadata backup to {place}:")?;
        }
        for file in &exported.files {
            writeln!(out, "  {}  {} bytes", file.file_name, file.size)?;
        }
        if !exported.sqlite {
            writeln!(
                out,
                "no SQLite file found; the backup {} no notebooks, annotations, remotes or\n\
                 replications; use --sqlite-path to set the file",
                told(self.dry_run, "would have", "has")
            )?;
        }
        if let Some(manifest) = &exported.influx_manifest {
            write_shards(&manifest.deletes_shards, self.dry_run, out)?;
        }
        if exported.recoverable_left > 0 {
            writeln!(
                out,
                "the backup {} contain the {} left in unused parts of the source;\n\
                 boltkey residue recover --out FILE recovers them from the source",
                told(self.dry_run, "would not", "does not"),
                counted(exported.recoverable_left, "lost token")
            )?;
        }
        Ok(())
    }
}

/// What `influx restore --full` would delete.
pub(crate) fn write_shards(
    shards: &[NamedShard],
    dry_run: bool,
    out: &mut dyn Write,
) -> io::Result<()> {
    let deletes = told(dry_run, "would delete", "deletes");
    if shards.is_empty() {
        let text = format!(
            "influx restore --full {deletes} all points of the target server; this metadata has no \
             shards"
        );
        return write_wrapped(out, "", 0, &text);
    }
    let text = format!(
        "influx restore --full {deletes} all points of the target server; on the server of this \
         backup, {}:",
        counted(shards.len() as u64, "shard")
    );
    write_wrapped(out, "", 0, &text)?;
    let mut left = shards;
    while let Some(first) = left.first() {
        let of_one = left
            .iter()
            .filter(|shard| shard.bucket_id == first.bucket_id);
        let numbers: Vec<String> = of_one.map(|shard| shard.id.to_string()).collect();
        let name = match (&first.org, &first.bucket) {
            (Some(org), Some(bucket)) => format!("{org}/{bucket}"),
            (None, Some(bucket)) => bucket.clone(),
            _ => format!("bucket {}", first.bucket_id),
        };
        write_wrapped(
            out,
            "  ",
            4,
            &printable(&format!("{name}: {}", numbers.join(", "))),
        )?;
        left = match left
            .iter()
            .position(|shard| shard.bucket_id != first.bucket_id)
        {
            Some(next) => left.get(next..).unwrap_or_default(),
            None => &[],
        };
    }
    Ok(())
}
