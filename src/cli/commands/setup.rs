//! `boltkey setup`.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use jiff::Zoned;
use serde::Serialize;

use crate::cli::change::{changed, end, has_only_copy};
use crate::cli::commands::convert::EngineArg;
use crate::cli::commands::token_report::{Action, Source, TokenOptions, ValueArgs, storage_text};
use crate::cli::exit::Outcome;
use crate::cli::session::Session;
use crate::cli::terminal::auth_details::{IT_WOULD_BE, write_auth_details};
use crate::cli::terminal::interruption;
use crate::cli::terminal::report::{Human, NOTHING_CHANGED, printable, told};
use crate::cli::terminal::secret_input::read_new_password;
use crate::cli::terminal::wrap::write_wrapped;
use crate::error::{Error, ErrorKind, Result};
use crate::finding::counted;
use crate::metadata::Release;
use crate::metadata::durations::retention;
use crate::metadata::tsm::Placed;
use crate::ops::auth::list::AuthDetails;
use crate::ops::files::engine_folder;
use crate::ops::files::engine_folder::listed;
use crate::ops::files::one_set::stranger_beside;
use crate::ops::setup::{Options, Plan, Target, could_be_made, plan, valid_names};
use crate::ops::timestamp::Timestamp;
use crate::store::Engine;

/// Options of `setup`.
#[derive(Debug, Args)]
pub struct SetupArgs {
    /// First user, owner of the instance
    #[arg(long, short = 'u', value_name = "NAME", alias = "user")]
    username: String,
    /// Take that user's password from this file, or from standard input for -; else it is asked
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// First organization
    #[arg(long, short = 'o', value_name = "NAME")]
    org: String,
    /// First bucket
    #[arg(long, short = 'b', value_name = "NAME")]
    bucket: String,
    /// Retention period of the bucket, such as 72h, 30d or 4w (0: infinite)
    #[arg(
        long,
        short = 'r',
        value_name = "DURATION",
        default_value = "0",
        value_parser = retention
    )]
    retention: i64,
    /// Release of InfluxDB that opens the store: 2.7 (schema 20, plaintext tokens), 2.8 (plaintext
    /// tokens) or 2.9 (hashed tokens)
    #[arg(
        long,
        value_name = "RELEASE",
        default_value_t = Release::NEWEST,
        value_parser = release
    )]
    release: Release,
    /// Engine of the new file [default: bolt if its name ends in .bolt, otherwise redb]
    #[arg(long, value_name = "ENGINE")]
    engine: Option<EngineArg>,
    /// Where points will lie, and those of an older store may: no number of a shard that is there
    /// is given out again; by default the folder engine beside the database
    #[arg(long, value_name = "PATH")]
    engine_path: Option<PathBuf>,
    #[command(flatten)]
    value: ValueArgs,
    /// Succeed without a change if the database is there and can be read, as an init container needs
    /// it; nothing in it is compared with the other options
    #[arg(long)]
    if_missing: bool,
}

/// Runs `setup`.
///
/// # Errors
/// The errors of the operation, and an error when the token can't be printed.
pub fn run(args: SetupArgs, session: &Session) -> Result<Outcome> {
    let Some(path) = session.named() else {
        return Err(Error::new(
            ErrorKind::Usage,
            "setup requires --db PATH for the new store",
        ));
    };
    if session.keep_copy().is_some() {
        return Err(Error::new(
            ErrorKind::Usage,
            "--keep-copy can't be used with setup, because there is no database to copy",
        ));
    }
    if args.if_missing && path.symlink_metadata().is_ok() {
        // A file that can't be read as a store is an error: influxd would fail on it, too.
        let store = session.open_metadata()?;
        return session
            .ui()
            .report(&Present {
                changed: false,
                dry_run: session.dry_run(),
                database: Database {
                    path: path.display().to_string(),
                    engine: store.description().engine,
                },
            })
            .map(|()| Outcome::Done);
    }
    let from_stdin = args.password_file.as_deref() == Some(Path::new("-"));
    if from_stdin && args.value.reads_stdin() {
        return Err(Error::new(
            ErrorKind::Usage,
            "--password-file - and --token-file - can't both read standard input",
        ));
    }
    let engine = args.engine.map(Engine::from);
    let target = Target {
        path,
        engine: engine.unwrap_or_else(|| by_name(path)),
        token_out: args.value.token_out(),
    };
    let made = TokenOptions {
        source: args.value.source(),
        token_out: target.token_out,
        action: Action::Create,
        again: "boltkey auth create --operator",
    };
    made.can_be_told(session)?;
    // Check this before the password prompt.
    could_be_made(&target)?;
    let engine_path = args.engine_path.clone();
    let engine_path = engine_path.unwrap_or_else(|| path.with_file_name("engine"));
    let shards = engine_folder::shards(&engine_path)
        .map_err(|error| error.with_hint("choose another folder with --engine-path"))?;
    let making = args.value.read(session)?;
    valid_names(&args.username, &args.org, &args.bucket)?;
    let options = Options {
        password: read_new_password(args.password_file.as_deref(), session.ui())?,
        strong_passwords: session.strong_passwords(),
        user: args.username,
        org: args.org,
        bucket: args.bucket,
        retention: args.retention,
        making,
        release: args.release,
        shards,
    };
    let plan = plan(&options, &Timestamp::from(&Zoned::now()))?;
    let scene = Scene {
        target: &target,
        options: &options,
        engine_path: &engine_path,
    };
    if session.dry_run() {
        scene.tell(session);
        let report = scene.report(session, &plan, &made, Some(true), true)?;
        session.ui().print([&report])?;
        return Ok(Outcome::Done);
    }
    let deferred = interruption::defer();
    let committed = plan.make(&target, &|| deferred.may_commit())?;
    let token = made.new_token(plan.token.id());
    deferred.ended(committed.outcome, has_only_copy(token.as_ref()));
    scene.tell(session);
    let report = scene.report(session, &plan, &made, changed(&committed), false);
    end(session, report, committed, token.as_ref())
}

/// The default engine. influxd uses Bolt files, usually named .bolt.
fn by_name(path: &Path) -> Engine {
    match path.extension() {
        Some(extension) if extension == "bolt" => Engine::Bolt,
        _ => Engine::Redb,
    }
}

/// The data of reports and warnings.
struct Scene<'a> {
    target: &'a Target<'a>,
    options: &'a Options,
    engine_path: &'a Path,
}

impl Scene<'_> {
    /// The command that makes the shards visible.
    fn adopt(&self) -> String {
        let db = self.target.path.display();
        let engine = match self.target.path.with_file_name("engine") == self.engine_path {
            true => String::new(),
            false => format!(" --engine-path {}", self.engine_path.display()),
        };
        format!("boltkey bucket adopt --all --db {db}{engine}")
    }

    fn tell(&self, session: &Session) {
        if !self.options.shards.is_empty() {
            let number = self.options.shards.len() as u64;
            session.ui().warning(&format!(
                "{} contains {} of an older store; they {}, and their IDs {} reused",
                self.engine_path.display(),
                counted(number, "shard"),
                told(
                    session.dry_run(),
                    "would be kept but would not be visible in the new store",
                    "are kept but are not visible in the new store"
                ),
                told(session.dry_run(), "would not be", "are not"),
            ));
        }
        if let Some(sqlite) = stranger_beside(self.target.path) {
            session.ui().warning(&format!(
                "{} belongs to another store and influxd would use it with the new one; move it \
                 away, influxd then creates a new one",
                sqlite.display()
            ));
        }
    }

    fn report(
        &self,
        session: &Session,
        plan: &Plan,
        of: &TokenOptions<'_>,
        changed: Option<bool>,
        dry_run: bool,
    ) -> Result<zeroize::Zeroizing<Vec<u8>>> {
        plan.token.show(!dry_run, |planned| {
            session.ui().render(&Report {
                authorization: &planned.entry,
                changed,
                dry_run,
                database: Database {
                    path: self.target.path.display().to_string(),
                    engine: self.target.engine,
                },
                release: self.options.release,
                shards: self.options.shards.iter().map(Shard::from).collect(),
                token_out: of
                    .token_out
                    .filter(|_| !dry_run)
                    .map(|path| path.display().to_string()),
                kept: storage_text(
                    planned.entry.storage,
                    planned.storage_reason,
                    planned.schema,
                ),
                source: of.source,
                options: self.options,
                adopt: self.adopt(),
            })
        })?
    }
}

/// The report of `setup`.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Report<'a> {
    /// The operator token.
    authorization: &'a AuthDetails<'a>,
    /// Whether the database was changed; null if unknown.
    changed: Option<bool>,
    /// Only in a dry run, and true there: nothing was changed.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    dry_run: bool,
    /// The store.
    database: Database,
    /// The release that the store is made for.
    release: Release,
    /// Shards found in the engine folder.
    shards: Vec<Shard<'a>>,
    /// The file with the new token, if `--token-out` was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    token_out: Option<String>,
    #[serde(skip)]
    kept: String,
    #[serde(skip)]
    source: Source,
    #[serde(skip)]
    options: &'a Options,
    #[serde(skip)]
    adopt: String,
}

/// The report of `setup --if-missing` where a store is there.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Present {
    /// Whether the database was changed; null if unknown.
    changed: bool,
    /// Only in a dry run, and true there: nothing was changed.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    dry_run: bool,
    /// The store.
    database: Database,
}

impl Human for Present {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let path = printable(&self.database.path);
        write_wrapped(out, "", 0, &format!("{path} exists; nothing was changed"))
    }
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Database {
    /// Its path.
    path: String,
    /// Its engine.
    engine: Engine,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Shard<'a> {
    /// The number of the shard.
    shard: u64,
    /// The ID of its bucket.
    bucket: &'a str,
}

impl<'a> From<&'a Placed> for Shard<'a> {
    fn from(placed: &'a Placed) -> Self {
        Self {
            shard: placed.shard,
            bucket: &placed.bucket,
        }
    }
}

impl Human for Report<'_> {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let options = self.options;
        let text = format!(
            "{} {} as a {} store{}, with user {}, organization {} and bucket {}",
            printable(&self.database.path),
            if self.dry_run {
                "would be created"
            } else {
                "was created"
            },
            self.database.engine.name(),
            match self.release {
                Release::NEWEST => String::new(),
                release => format!(" for InfluxDB {release}"),
            },
            printable(&options.user),
            printable(options.org.trim()),
            printable(&options.bucket)
        );
        write_wrapped(out, "", 0, &text)?;
        let token = match (&self.token_out, self.source) {
            _ if self.dry_run => NOTHING_CHANGED.into(),
            (Some(path), _) => format!("the operator token is in {}", printable(path)),
            (None, Source::Generated) => "the operator token is shown only once".into(),
            (None, Source::Given) => "the operator token has the value you supplied".into(),
            (None, Source::Hash) => "the operator token has the hash you supplied".into(),
        };
        writeln!(out, "{token}\n{}", told(self.dry_run, IT_WOULD_BE, ""))?;
        let shown = self.source == Source::Generated && self.token_out.is_none();
        write_auth_details(self.authorization, self.dry_run || !shown, out)?;
        writeln!(out, "Storage:      {}", self.kept)?;
        if !self.shards.is_empty() {
            writeln!(
                out,
                "\nShards of an older store, {}:",
                told(self.dry_run, "which would stay", "kept unchanged")
            )?;
            let mut buckets: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
            for Shard { shard, bucket } in &self.shards {
                buckets.entry(*bucket).or_default().push(*shard);
            }
            for (bucket, shards) in buckets {
                writeln!(out, "  bucket {}: {}", printable(bucket), listed(&shards))?;
            }
            let adds = told(self.dry_run, "would then add", "adds");
            let text = format!("{} {adds} these buckets", printable(&self.adopt));
            write_wrapped(out, "", 0, &text)?;
        }
        Ok(())
    }
}

/// Parses a release, or one of its patches, for which a store can be made.
fn release(text: &str) -> std::result::Result<Release, String> {
    let known = text.parse().ok();
    known
        .filter(|release| Release::OF_NEW_STORES.contains(release))
        .ok_or_else(|| String::from("expected 2.7, 2.8 or 2.9, with or without a patch number"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_engine_follows_the_name() {
        for (path, engine) in [
            ("influxd.bolt", Engine::Bolt),
            ("a/b.bolt", Engine::Bolt),
            ("store.redb", Engine::Redb),
            ("store", Engine::Redb),
            ("bolt", Engine::Redb),
        ] {
            assert_eq!(by_name(Path::new(path)), engine, "{path}");
        }
    }
}
