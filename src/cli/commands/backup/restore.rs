//! `boltkey backup restore`.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use jiff::Zoned;
use serde::Serialize;

use crate::cli::change::{Answer, NewToken, end};
use crate::cli::commands::backup::{OperatorTokenArgs, open};
use crate::cli::exit::Outcome;
use crate::cli::session::Session;
use crate::cli::terminal::auth_details::write_auth_details;
use crate::cli::terminal::progress::Bar;
use crate::cli::terminal::prompt::confirm;
use crate::cli::terminal::stdout;
use crate::cli::terminal::ui::{Human, NOTHING_CHANGED, printable};
use crate::cli::terminal::wrap::write_wrapped;
use crate::error::{Error, ErrorKind, Result};
use crate::finding::counted;
use crate::metadata::Storage;
use crate::ops::auth::list::AuthDetails;
use crate::ops::backup::content::RestoreContext;
use crate::ops::backup::manifest::base;
use crate::ops::backup::operator::Supplied;
use crate::ops::backup::operator_access::OperatorSource;
use crate::ops::backup::replaced_store::ReplacedStore;
use crate::ops::backup::restore::{Options, Plan, Planned, Restored, plan};
use crate::ops::backup::summary::NamedShard;
use crate::ops::commit::write_token;
use crate::ops::files::disk::RealDisk;
use crate::ops::files::new_file::folder_of;
use crate::ops::files::output::OutputFile;
use crate::ops::timestamp::Timestamp;
use crate::store;
use crate::store::{Committed, Engine, Held, Store};

/// Options of `backup restore`.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Nothing gets a name before it is known that the operator token opens the backup.
Metadata alone are restored: tokens, users, organizations, buckets, dashboards,
tasks. The points of an influx backup are loaded afterwards, into the running
server, by influx restore; no number of a shard that lies in the engine folder
is given out again.

With --force the database that stands there is locked, so influxd must be
stopped, and kept under a name that ends in .before-restore- and the time.")]
pub struct RestoreArgs {
    /// The folder that influx backup or boltkey backup export wrote, or a tar of it, or one
    /// database file, gzipped or not; - for standard input
    #[arg(value_name = "BACKUP")]
    backup: PathBuf,
    /// Where the database belongs, usually /var/lib/influxdb/influxd.bolt; a redb store if it ends
    /// in .redb
    #[arg(long, value_name = "PATH")]
    to: PathBuf,
    #[command(flatten)]
    operator: OperatorTokenArgs,
    /// Put a new operator token in instead of asking for one of the backup
    #[arg(long, conflicts_with_all = ["operator_token", "operator_token_file"])]
    new_operator: bool,
    /// Put the new operator token into this file too, new and readable by its owner only
    #[arg(long, value_name = "FILE", requires = "new_operator")]
    token_out: Option<PathBuf>,
    /// Replace every token in plaintext by its hash on the way, as InfluxDB 2.9 keeps them
    #[arg(long)]
    hash: bool,
    /// The engine of the database
    #[arg(long, value_name = "ENGINE")]
    engine: Option<EngineArg>,
    /// Where the SQLite file belongs; by default influxd.sqlite beside the database
    #[arg(long, value_name = "PATH")]
    sqlite_path: Option<PathBuf>,
    /// Where influxd keeps points; by default engine beside the database
    #[arg(long, value_name = "PATH")]
    engine_path: Option<PathBuf>,
    /// Replace what stands there; it is kept under dated names
    #[arg(long)]
    force: bool,
    /// Buckets that the old metadata and the backup both have keep the shards they have now
    #[arg(long, requires = "force")]
    keep_shards: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum EngineArg {
    Redb,
    Bolt,
}

/// Runs `backup restore`.
///
/// # Errors
/// As the operation, and when the new token can't be printed.
pub fn run(args: RestoreArgs, session: &Session) -> Result<Outcome> {
    args.operator.beside(&args.backup)?;
    let dry_run = session.dry_run();
    if args.new_operator && args.token_out.is_none() && !dry_run {
        stdout::ensure_open().map_err(|error| {
            error.with_hint("the new token would be lost: give --token-out FILE for it")
        })?;
    }
    let options = options(&args, session);
    let opener = if args.new_operator {
        OperatorSource::New
    } else {
        OperatorSource::Token(args.operator.needed()?)
    };
    let now = Zoned::now();
    let backup = open(&args.backup, scratch_folder(&options.to)?)?;
    let stands = args.force && options.to.symlink_metadata().is_ok();
    let open_options = session.open_options();
    let old = if stands {
        // The lock is let go again: the question that follows may take its time.
        ReplacedStore::look(Store::open(&options.to, &open_options), &options.to)?
    } else {
        ReplacedStore::default()
    };
    let moment = Timestamp::from(&now);
    let disk = &RealDisk;
    let bar = Bar::counting(session.ui(), "unpacking");
    let means = RestoreContext {
        open: &open_options,
        now: &moment,
        disk,
        progress: &|done| bar.at(done),
    };
    let planned = plan(&backup, opener, &options, &old, &means);
    drop(bar);
    let planned = planned?;
    let mut plan = match planned {
        Planned::Ready(plan) => plan,
        Planned::Refused(supplied) => {
            session.ui().report(&Refusal::new(supplied, &args.to))?;
            return Ok(Outcome::No);
        }
    };
    session.ui().warn(&plan.findings);
    if let Some(warning) = old.warning() {
        session.ui().warn(std::slice::from_ref(warning));
    }
    let from = Source {
        path: args.backup.clone(),
        buckets: backup.base.is_some(),
    };
    let token_out = args.token_out.as_deref();
    if dry_run {
        token_out.map_or(Ok(()), OutputFile::could_create_regular)?;
        let report = render(session, &plan, false, Vec::new(), &from, None)?;
        session.ui().print([&report])?;
        return Ok(Outcome::Done);
    }
    let answer = if args.force && !session.yes() {
        if !plan.in_the_way.files.is_empty() {
            confirm(false, &question(&plan, &options.to))?;
        }
        Answer::to(plan.in_the_way.clone())
    } else {
        Answer::none()
    };
    let held = if stands {
        let (held, notice) = Held::lock(&options.to, &open_options)?;
        session.ui().warn(notice.as_slice());
        still_the_same(&held, &old, &options.to)?;
        Some(held)
    } else {
        None
    };
    answer.must_hold(&plan.in_the_way_now()?, &options.to)?;
    let kept_token = token_out
        .map(|path| write_token(path, plan.token()))
        .transpose()?;
    let bar = Bar::counting(session.ui(), "restoring");
    let tell = |done| bar.at(done);
    let date = base(now.timestamp());
    let applied = plan.apply(held, &date, disk, &tell);
    drop(bar);
    let kept = match applied {
        Ok(kept) => kept,
        Err(error) if error.kind() == ErrorKind::Incomplete => return Err(error),
        Err(error) => {
            let removed = kept_token.map(|file| (file.path().display().to_string(), file.remove()));
            return Err(match removed {
                Some((path, Err(cause))) => error.and_note(&format!(
                    "{path} could not be removed ({cause}) and holds a token that opens nothing"
                )),
                _ => error,
            });
        }
    };
    let report = render(session, &plan, true, kept, &from, token_out);
    let committed = Committed {
        outcome: store::CommitOutcome::Changed,
        failure: None,
    };
    let token = args.new_operator.then(|| NewToken {
        id: plan.id(),
        token_out,
        given: false,
        again: "boltkey recover operator",
    });
    end(session, report, committed, token.as_ref())
}

fn options(args: &RestoreArgs, session: &Session) -> Options {
    let beside = |name: &str| args.to.with_file_name(name);
    let by_name = || {
        if args
            .to
            .extension()
            .is_some_and(|extension| extension == "redb")
        {
            Engine::Redb
        } else {
            Engine::Bolt
        }
    };
    Options {
        to: args.to.clone(),
        engine: match args.engine {
            Some(EngineArg::Bolt) => Engine::Bolt,
            Some(EngineArg::Redb) => Engine::Redb,
            None => by_name(),
        },
        sqlite: args
            .sqlite_path
            .clone()
            .unwrap_or_else(|| beside("influxd.sqlite")),
        engine_path: args.engine_path.clone().unwrap_or_else(|| beside("engine")),
        force: args.force,
        keep_shards: args.keep_shards,
        hash: args.hash,
        use_hashed_tokens: if args.new_operator {
            session.use_hashed_tokens()
        } else {
            None
        },
    }
}

/// The folder that the database is to stand in, which has to be there.
fn scratch_folder(to: &Path) -> Result<Option<&Path>> {
    let folder = folder_of(to);
    if folder.is_dir() {
        return Ok(Some(folder));
    }
    Err(Error::new(
        ErrorKind::NotFound,
        format!("there is no folder {} to restore to", folder.display()),
    )
    .with_hint("make it, as the user that influxd runs as"))
}

/// Refuses when the old metadata have changed since they were asked about.
fn still_the_same(held: &Held, old: &ReplacedStore, path: &Path) -> Result<()> {
    if ReplacedStore::look(held.store(), path)?.is_like(old) {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::Refused,
        format!(
            "{} has changed since its shards were listed",
            path.display()
        ),
    )
    .with_hint("stop influxd, then run the command again"))
}

fn question(plan: &Plan, to: &Path) -> String {
    let lost = match plan.lost.len() as u64 {
        0 => String::new(),
        lost => format!(
            " The new metadata do not know {} of the old: {}.",
            counted(lost, "shard"),
            shards_text(&plan.lost)
        ),
    };
    format!(
        "Replace {}, and keep it under a dated name?{lost}",
        printable(&to.display().to_string())
    )
}

fn shards_text(shards: &[NamedShard]) -> String {
    const MOST: usize = 20;
    let named = shards.iter().take(MOST).map(|shard| {
        let bucket = shard.bucket.as_deref().unwrap_or(&shard.bucket_id);
        format!("{} of {bucket}", shard.id)
    });
    let mut text = named.collect::<Vec<_>>().join(", ");
    if shards.len() > MOST {
        text.push_str(&format!(" and {} more", shards.len() - MOST));
    }
    printable(&text)
}

/// Where it came from.
struct Source {
    path: PathBuf,
    /// Whether points may have come with it.
    buckets: bool,
}

fn render(
    session: &Session,
    plan: &Plan,
    changed: bool,
    kept: Vec<PathBuf>,
    from: &Source,
    token_out: Option<&Path>,
) -> Result<zeroize::Zeroizing<Vec<u8>>> {
    let restored = plan.told(changed, kept);
    let token_out = token_out.map(|path| path.display().to_string());
    let with = |authorization: Option<&AuthDetails<'_>>| {
        session.ui().render(&Report {
            restored: &restored,
            authorization,
            dry_run: !changed,
            token_out: token_out.clone(),
            from,
        })
    };
    match &plan.new_token {
        Some(token) => token.show(changed, |planned| {
            let mut entry = planned.entry.clone();
            // It may have been hashed with all others.
            entry.storage = restored.operator_token.storage;
            with(Some(&entry))
        })?,
        None => with(None),
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Report<'a> {
    #[serde(flatten)]
    restored: &'a Restored,
    #[serde(skip_serializing_if = "Option::is_none")]
    authorization: Option<&'a AuthDetails<'a>>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    dry_run: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    token_out: Option<String>,
    #[serde(skip)]
    from: &'a Source,
}

impl Human for Report<'_> {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let restored = self.restored;
        let path = |path: &Path| printable(&path.display().to_string());
        let database = path(&restored.database.path);
        let engine = restored.database.engine.name();
        if self.dry_run {
            writeln!(
                out,
                "{database} would be restored as a {engine} store; {NOTHING_CHANGED}"
            )?;
        } else {
            writeln!(out, "restored {database}, a {engine} store")?;
        }
        if let Some(sqlite) = &restored.sqlite {
            writeln!(out, "SQLite file: {}", path(sqlite))?;
        }
        let token = &restored.operator_token;
        let how = match token.storage {
            Storage::Plaintext | Storage::Both => "in plaintext",
            Storage::Hashed => "as a hash",
            Storage::Missing => "not at all",
        };
        if self.authorization.is_none() {
            writeln!(
                out,
                "the operator token opens it: it is that of {}, kept {how}",
                token.id
            )?;
        }
        if restored.hashed > 0 {
            let tokens = counted(restored.hashed, "token");
            let verb = if self.dry_run { "would be" } else { "were" };
            writeln!(out, "{tokens} {verb} replaced by their hashes")?;
        }
        for kept in &restored.kept {
            writeln!(out, "kept what stood there: {}", path(kept))?;
        }
        if !restored.lost_shards.is_empty() {
            let text = format!(
                "the new metadata do not know {} of the old, whose points stay in the engine \
                 folder and are not found: {}",
                counted(restored.lost_shards.len() as u64, "shard"),
                shards_text(&restored.lost_shards)
            );
            write_wrapped(out, "", 0, &text)?;
        }
        if restored.shards.not_restored > 0 && self.from.buckets {
            let text = format!(
                "{} of {} bytes in the backup were not restored: these are its points. With the \
                 server running, influx restore loads a bucket's under another name:",
                counted(restored.shards.not_restored as u64, "shard"),
                restored.shards.bytes
            );
            write_wrapped(out, "", 0, &text)?;
            writeln!(
                out,
                "  influx restore --bucket NAME --new-bucket OTHER {}",
                path(&self.from.path)
            )?;
        }
        if let Some(authorization) = self.authorization {
            match &self.token_out {
                Some(path) => {
                    writeln!(out, "a new operator token is in {}\n", printable(path))?;
                }
                None if self.dry_run => writeln!(out, "a new operator token would be made\n")?,
                None => writeln!(out, "a new operator token was made; it is shown only now\n")?,
            }
            let hidden = self.dry_run || self.token_out.is_some();
            write_auth_details(authorization, hidden, out)?;
        }
        Ok(())
    }
}

/// What is said of an operator token that does not open the backup.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Refusal {
    changed: bool,
    operator_token: Supplied,
    #[serde(skip)]
    to: String,
}

impl Refusal {
    fn new(operator_token: Supplied, to: &Path) -> Self {
        Self {
            changed: false,
            operator_token,
            to: printable(&to.display().to_string()),
        }
    }
}

impl Human for Refusal {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let token = &self.operator_token;
        let reason = printable(token.reason.as_deref().unwrap_or("it opens nothing"));
        let whose = token
            .id
            .map_or(String::new(), |id| format!(" (authorization {id})"));
        let text = format!("the operator token does not open the backup{whose}: {reason}");
        write_wrapped(out, "", 2, &text)?;
        writeln!(out, "{} is untouched; {NOTHING_CHANGED}", self.to)?;
        writeln!(
            out,
            "--new-operator puts a new one in; boltkey backup inspect lists what would do"
        )
    }
}
