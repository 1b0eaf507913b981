//! `boltkey backup restore`.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use jiff::Zoned;
use serde::Serialize;

use crate::cli::change::{Answer, NewToken, end, has_only_copy};
use crate::cli::commands::backup::{OperatorTokenArgs, open};
use crate::cli::exit::Outcome;
use crate::cli::session::Session;
use crate::cli::terminal::auth_details::{IT_WOULD_BE, write_auth_details};
use crate::cli::terminal::choose_owner::choose_missing;
use crate::cli::terminal::closed_stdout;
use crate::cli::terminal::interruption;
use crate::cli::terminal::progress::Bar;
use crate::cli::terminal::prompt::confirm;
use crate::cli::terminal::report::{Human, NOTHING_CHANGED, printable, told};
use crate::cli::terminal::wrap::write_wrapped;
use crate::error::{Error, ErrorKind, Result};
use crate::finding::counted;
use crate::metadata::Storage;
use crate::ops::auth::list::AuthDetails;
use crate::ops::backup::backup_store::RestoreContext;
use crate::ops::backup::influx_manifest::base;
use crate::ops::backup::replaced_store::ReplacedStore;
use crate::ops::backup::restore::{Options, Plan, Planned, Restored, plan};
use crate::ops::backup::restored_access::{Missing, OperatorSource};
use crate::ops::backup::summary::NamedShard;
use crate::ops::backup::supplied_token::Supplied;
use crate::ops::commit::write_token;
use crate::ops::files::disk::RealDisk;
use crate::ops::files::new_file::folder_of;
use crate::ops::files::secret_output::OutputFile;
use crate::ops::resolve::By;
use crate::ops::timestamp::Timestamp;
use crate::secret::Token;
use crate::store;
use crate::store::{Committed, Engine, Held, Store};

/// Options of `backup restore`.
#[derive(Debug, Args)]
#[command(after_help = "\
Verifies that the operator token opens the backup before it creates any file.
Restores metadata only: tokens, users, organizations, buckets, dashboards and
tasks. To load the points of an influx backup, start the server afterwards and
run influx restore. Shard IDs in the engine folder are not reused.

With --force, the existing database is locked (stop influxd first) and saved
under a name that ends in .before-restore- and the time.")]
pub struct RestoreArgs {
    /// Folder written by influx backup or boltkey backup export, a tar of it, or a database file,
    /// optionally gzipped (- for standard input)
    #[arg(value_name = "BACKUP")]
    backup: PathBuf,
    /// Path of the restored database, usually /var/lib/influxdb/influxd.bolt; a redb store if it
    /// ends in .redb
    #[arg(long, value_name = "PATH")]
    to: PathBuf,
    #[command(flatten)]
    operator: OperatorTokenArgs,
    /// Create a new operator token instead of using one of the backup
    #[arg(long, conflicts_with_all = ["operator_token", "operator_token_file"])]
    new_operator: bool,
    /// User who will own the new operator token [default: the only user, otherwise prompt]
    #[arg(long, short = 'u', value_name = "NAME", requires = "new_operator")]
    user: Option<String>,
    /// Organization of the new operator token [default: the only organization, otherwise prompt]
    #[arg(long, short = 'o', value_name = "NAME", requires = "new_operator")]
    org: Option<String>,
    /// Write the new operator token to this file, which must not exist; created with mode 0600
    #[arg(long, value_name = "FILE", requires = "new_operator")]
    token_out: Option<PathBuf>,
    /// Replace plaintext tokens with hashes, as InfluxDB 2.9 stores them
    #[arg(long)]
    hash: bool,
    /// Engine of the database
    #[arg(long, value_name = "ENGINE")]
    engine: Option<EngineArg>,
    /// Path of the restored SQLite file [default: influxd.sqlite beside the database]
    #[arg(long, value_name = "PATH")]
    sqlite_path: Option<PathBuf>,
    /// Engine folder of influxd [default: engine beside the database]
    #[arg(long, value_name = "PATH")]
    engine_path: Option<PathBuf>,
    /// Replace existing files; they are saved under names with the date
    #[arg(long)]
    force: bool,
    /// Keep the current shards of buckets that exist both in the old metadata and in the backup
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
/// The errors of the operation, and an error when the new token can't be printed.
pub fn run(args: RestoreArgs, session: &Session) -> Result<Outcome> {
    args.operator.beside(&args.backup)?;
    let dry_run = session.dry_run();
    if args.new_operator && args.token_out.is_none() && !dry_run {
        closed_stdout::ensure_open().map_err(|error| {
            error.with_hint("the new token would be lost; use --token-out FILE")
        })?;
    }
    let options = options(&args, session);
    let mut opening = Opening::of(&args)?;
    let now = Zoned::now();
    let backup = open(&args.backup, scratch_folder(&options.to)?)?;
    let stands = args.force && options.to.symlink_metadata().is_ok();
    let open_options = session.open_options();
    let old = if stands {
        // Release the lock during the question.
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
    let mut planned = plan(&backup, opening.source(), &options, &old, &means)?;
    if let Planned::Missing(missing) = &planned {
        bar.suspend(|| opening.ask(missing))?;
        planned = plan(&backup, opening.source(), &options, &old, &means)?;
    }
    drop(bar);
    let mut plan = match planned {
        Planned::Ready(plan) => plan,
        Planned::Missing(_) => {
            return Err(Error::new(
                ErrorKind::Refused,
                "the users of the backup have changed since the question was asked",
            ));
        }
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
    let deferred = interruption::defer();
    let kept_token = token_out
        .map(|path| write_token(path, plan.token()))
        .transpose()?;
    let bar = Bar::counting(session.ui(), "restoring");
    let tell = |done| bar.at(done);
    let date = base(now.timestamp());
    let applied = plan.apply_if(held, &date, disk, &tell, &|| deferred.may_commit());
    drop(bar);
    let kept = match applied {
        Ok(kept) => kept,
        Err(error) if error.kind() == ErrorKind::Incomplete => {
            deferred.ended(store::CommitOutcome::Unknown, false);
            return Err(error);
        }
        Err(error) => {
            let removed = kept_token.map(|file| (file.path().display().to_string(), file.remove()));
            return Err(match removed {
                Some((path, Err(cause))) => error.and_note(&format!(
                    "can't remove {path} ({cause}); the token in it is not valid"
                )),
                _ => error,
            });
        }
    };
    let token = args.new_operator.then(|| NewToken {
        id: plan.id(),
        token_out,
        given: false,
        again: "boltkey recover operator",
    });
    let outcome = store::CommitOutcome::Changed;
    deferred.ended(outcome, has_only_copy(token.as_ref()));
    let report = render(session, &plan, true, kept, &from, token_out);
    let committed = Committed {
        outcome,
        failure: None,
    };
    end(session, report, committed, token.as_ref())
}

/// What opens the restored store.
enum Opening {
    /// An operator token of the backup; none if it is not known yet.
    Token(Option<Token>),
    /// A new operator token.
    New { user: Option<By>, org: Option<By> },
}

impl Opening {
    /// As the options say. Asks for nothing.
    fn of(args: &RestoreArgs) -> Result<Self> {
        if args.new_operator {
            return Ok(Self::New {
                user: args.user.clone().map(By::Name),
                org: args.org.clone().map(By::Name),
            });
        }
        args.operator.given().map(Self::Token)
    }

    fn source(&self) -> OperatorSource {
        match self {
            Self::Token(Some(token)) => OperatorSource::Token(token.clone()),
            Self::Token(None) => OperatorSource::NotYet,
            Self::New { user, org } => OperatorSource::New {
                user: user.clone(),
                org: org.clone(),
            },
        }
    }

    /// Asks for what is missing, the user before the organization.
    fn ask(&mut self, missing: &Missing) -> Result<()> {
        match (self, missing) {
            (Self::New { user, org }, Missing::Owner(choices)) => {
                choose_missing(user, "user", "--user", &choices.users)?;
                choose_missing(org, "organization", "--org", &choices.orgs)?;
            }
            (Self::Token(token), _) => *token = Some(OperatorTokenArgs::ask()?),
            (Self::New { .. }, Missing::Token) => {}
        }
        Ok(())
    }
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

/// The folder of the database. It must exist.
fn scratch_folder(to: &Path) -> Result<Option<&Path>> {
    let folder = folder_of(to);
    if folder.is_dir() {
        return Ok(Some(folder));
    }
    Err(Error::new(
        ErrorKind::NotFound,
        format!("folder {} does not exist", folder.display()),
    )
    .with_hint("create it as the user that runs influxd"))
}

/// Refuses if the old metadata has changed since the question.
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
            " {} of the old metadata will be lost: {}.",
            counted(lost, "shard"),
            shards_text(&plan.lost)
        ),
    };
    format!(
        "Replace {} and save the old file under a name with the date?{lost}",
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

/// The source of the backup.
struct Source {
    path: PathBuf,
    /// Whether the backup may include points.
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
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Report<'a> {
    /// What was restored.
    #[serde(flatten)]
    restored: &'a Restored,
    /// The new operator token; only with `--new-operator`.
    #[serde(skip_serializing_if = "Option::is_none")]
    authorization: Option<&'a AuthDetails<'a>>,
    /// Only in a dry run, and true there: nothing was changed.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    dry_run: bool,
    /// The file with the new token, if `--token-out` was given.
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
                "would restore {database} as a {engine} store; {NOTHING_CHANGED}"
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
                "the operator token {} it; it belongs to {} and {} stored {how}",
                told(self.dry_run, "would open", "opens"),
                token.id,
                told(self.dry_run, "would be", "is")
            )?;
        }
        if restored.hashed > 0 {
            let tokens = counted(restored.hashed, "token");
            let verb = if self.dry_run { "would be" } else { "were" };
            writeln!(out, "{tokens} {verb} hashed")?;
        }
        for kept in &restored.kept {
            writeln!(out, "previous file saved as {}", path(kept))?;
        }
        if !restored.lost_shards.is_empty() {
            let text = format!(
                "{} of the old metadata not in the new metadata; their points {} in the engine folder \
                 but {} not visible: {}",
                counted(restored.lost_shards.len() as u64, "shard"),
                told(self.dry_run, "would stay", "stay"),
                told(self.dry_run, "would be", "are"),
                shards_text(&restored.lost_shards)
            );
            write_wrapped(out, "", 0, &text)?;
        }
        if restored.shards.not_restored > 0 && self.from.buckets {
            let text = format!(
                "{} of {} bytes in the backup {}not restored (these are the points). Start the \
                 server, then load the points of a bucket under another name:",
                counted(restored.shards.not_restored as u64, "shard"),
                restored.shards.bytes,
                told(self.dry_run, "would be ", "")
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
                Some(path) if !self.dry_run => {
                    writeln!(out, "the new operator token is in {}\n", printable(path))?;
                }
                _ if self.dry_run => {
                    writeln!(out, "would create a new operator token\n{IT_WOULD_BE}")?;
                }
                _ => writeln!(out, "created a new operator token; it is shown only once\n")?,
            }
            let hidden = self.dry_run || self.token_out.is_some();
            write_auth_details(authorization, hidden, out)?;
        }
        Ok(())
    }
}

/// The report for an operator token that does not open the backup.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Refusal {
    /// Always false: the token does not open the backup.
    changed: bool,
    /// The check of the given operator token.
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
        let reason = printable(token.reason.as_deref().unwrap_or("not valid"));
        let whose = token
            .id
            .map_or(String::new(), |id| format!(" (authorization {id})"));
        let text = format!("the operator token does not open the backup{whose}: {reason}");
        write_wrapped(out, "", 2, &text)?;
        writeln!(out, "{} is unchanged; {NOTHING_CHANGED}", self.to)?;
        writeln!(
            out,
            "use --new-operator to create one; boltkey backup inspect lists the operator tokens"
        )
    }
}
