//! What the commands have in common that make a token, or give one a new value.

use std::fmt;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use jiff::Zoned;
use serde::Serialize;

use crate::cli::change::{TokenMade, changed, conclude, ended};
use crate::cli::exit::Outcome;
use crate::cli::session::Database;
use crate::cli::session::Session;
use crate::cli::terminal::auth_details::write_entry;
use crate::cli::terminal::secret_input::{Secret, is_exposed, read_secret};
use crate::cli::terminal::stdout;
use crate::cli::terminal::ui::{Human, printable};
use crate::error::{Error, ErrorKind, Result};
use crate::metadata::{Kind, Storage, TokenHash};
use crate::ops::auth::list::Entry;
use crate::ops::commit::{SideFiles, sound_structure};
use crate::ops::timestamp::Timestamp;
use crate::ops::token_plan;
use crate::ops::token_plan::new_token::Making;
use crate::ops::token_plan::token_storage::{KeptBecause, Wanted};
use crate::ops::token_plan::{Plan, Value};
use crate::store::Snapshot;

/// Where a new token goes beside standard output.
#[derive(Debug, Args)]
pub struct TokenOutArgs {
    /// Put the new token into this file, new and readable by its owner only, before anything is
    /// changed
    #[arg(long, value_name = "FILE")]
    token_out: Option<PathBuf>,
}

impl TokenOutArgs {
    /// The file.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        self.token_out.as_deref()
    }
}

/// The value of a token, and how it is kept.
#[derive(Debug, Args)]
#[command(next_help_heading = "Value")]
pub struct ValueArgs {
    /// Take the value from this file, or from standard input for -; else one is made
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// Take a hash, as boltkey token hash prints it, so that the token never touches this host
    #[arg(
        long,
        value_name = "PHC",
        conflicts_with_all = ["token_file", "token_out"]
    )]
    hashed_token: Option<Unshown>,
    /// How to keep it; auto: as use-hashed-tokens says, else as the store's other tokens
    #[arg(long, value_name = "HOW", default_value = "auto")]
    store: StoreArg,
    /// Take a value, or an owner, that no server accepts
    #[arg(long)]
    allow_unusable: bool,
    #[command(flatten)]
    token_out: TokenOutArgs,
}

/// A text that may be a secret given by mistake.
#[derive(Clone)]
struct Unshown(String);

impl From<String> for Unshown {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl fmt::Debug for Unshown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Unshown")
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum StoreArg {
    Auto,
    Hashed,
    Plaintext,
}

impl ValueArgs {
    /// The file for the token.
    #[must_use]
    pub fn token_out(&self) -> Option<&Path> {
        self.token_out.path()
    }

    /// Whether the token is read from standard input.
    #[must_use]
    pub fn reads_stdin(&self) -> bool {
        self.token_file.as_deref() == Some(Path::new("-"))
    }

    /// Where the value comes from.
    #[must_use]
    pub fn source(&self) -> Source {
        match (&self.token_file, &self.hashed_token) {
            (_, Some(_)) => Source::Hash,
            (Some(_), None) => Source::Given,
            (None, None) => Source::Generated,
        }
    }

    /// Reads the value, before the lock is taken.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] for what is no hash; else as [`read_secret`].
    pub fn read(&self, session: &Session) -> Result<Making> {
        let wanted = match self.store {
            StoreArg::Auto => Wanted::Auto,
            StoreArg::Hashed => Wanted::Hashed,
            StoreArg::Plaintext => Wanted::Plaintext,
        };
        let value = match (&self.token_file, &self.hashed_token) {
            (_, Some(_)) if wanted == Wanted::Plaintext => {
                return Err(Error::new(
                    ErrorKind::Usage,
                    "--store plaintext and --hashed-token exclude each other: of a hash the token \
                     is not known",
                ));
            }
            (_, Some(Unshown(text))) => Value::Hash(parse_hash(text)?),
            (Some(path), None) => {
                if is_exposed(path) {
                    session.ui().warning(&format!(
                        "{} can be read by others: a token in it is a secret of theirs too",
                        path.display()
                    ));
                }
                Value::Chosen(read_secret(&Secret::TOKEN, Some(path))?)
            }
            (None, None) => Value::Generated,
        };
        Ok(Making {
            value,
            wanted,
            use_hashed_tokens: session.use_hashed_tokens(),
            allow_unusable: self.allow_unusable,
            new_store: false,
        })
    }
}

/// The text may be a token, given by mistake: it is never quoted.
fn parse_hash(text: &str) -> Result<TokenHash> {
    TokenHash::parse(text).map_err(|cause| {
        Error::new(
            ErrorKind::Usage,
            format!("what --hashed-token gives is no hash that influxd knows: {cause}"),
        )
        .with_hint(
            "boltkey token hash prints one: $influxdb2-sha256$…, in single quotes in a shell",
        )
    })
}

/// Where the value of a token comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// Made here: it is nowhere else.
    Generated,
    /// Given to this command.
    Given,
    /// Only its hash was given.
    Hash,
}

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// A new authorization.
    Create,
    /// A new value for one that was there.
    Rotate,
}

/// A token that is to be made, as the command line sees it.
pub struct Made<'a> {
    /// Where its value comes from.
    pub source: Source,
    /// The file for it.
    pub token_out: Option<&'a Path>,
    /// What is done.
    pub action: Action,
    /// The command that makes another one.
    pub again: &'a str,
}

impl Made<'_> {
    /// Fails if there is nothing that could take the token, before anything is done.
    ///
    /// # Errors
    /// When standard output is closed and would be the only trace of it.
    pub fn can_be_told(&self, session: &Session) -> Result<()> {
        if self.source != Source::Generated || self.token_out.is_some() || session.dry_run() {
            return Ok(());
        }
        stdout::ensure_open().map_err(|error| {
            error.with_hint("the new token would be lost: give --token-out FILE for it")
        })
    }

    /// Works out what is to be made, makes it, or only shows it in a dry run, and reports.
    ///
    /// # Errors
    /// As `plan`; [`ErrorKind::Incomplete`] when a step at or after the commit failed, or the
    /// token could not be printed.
    pub fn run(
        &self,
        session: &Session,
        database: &Database,
        plan: impl Fn(&dyn Snapshot, &Timestamp) -> Result<Plan>,
    ) -> Result<Outcome> {
        let now = Timestamp::from(&Zoned::now());
        let named = |error: Error| error.about(database.path());
        if session.dry_run() {
            let store = session.open_metadata_at(database)?;
            sound_structure(store.inspect()).map_err(named)?;
            let plan = plan(store.snapshot(), &now).map_err(named)?;
            drop(store);
            self.side_files(session, &plan).could_be_made()?;
            tell(session, &plan);
            let ui = session.ui();
            let report = plan.show(false, |made| {
                ui.render(&Report::new(self, made, Some(true), true))
            })?;
            ui.print([&report?])?;
            return Ok(Outcome::Done);
        }

        session.may_write(database)?;
        let mut store = session.open_writable(database)?;
        let plan = plan(&store, &now).map_err(named)?;
        let committed = plan.apply(&mut store, &self.side_files(session, &plan))?;
        drop(store);
        tell(session, &plan);
        let changed = changed(&committed);
        let ui = session.ui();
        let report = plan.show(true, |made| {
            ui.render(&Report::new(self, made, changed, false))
        })?;
        if self.source == Source::Hash {
            return ended(session, report, committed);
        }
        let made = TokenMade {
            id: plan.id(),
            token_out: self.token_out,
            given: self.source == Source::Given,
            again: self.again,
        };
        conclude(session, report, committed, &made)
    }

    fn side_files<'p>(&'p self, session: &'p Session, plan: &'p Plan) -> SideFiles<'p> {
        SideFiles {
            keep_copy: session.keep_copy(),
            tokens_out: self.token_out.zip(plan.token()).into_iter().collect(),
            ..SideFiles::default()
        }
    }
}

fn tell(session: &Session, plan: &Plan) {
    for note in &plan.notes {
        session.ui().warning(note);
    }
}

/// What was made, or would be.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Report<'a> {
    authorization: &'a Entry<'a>,
    /// Null if it can't be known.
    changed: Option<bool>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    dry_run: bool,
    /// Only where somebody's login may gain something.
    #[serde(flatten)]
    login: Option<Login<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    token_out: Option<String>,
    #[serde(skip)]
    kept: String,
    #[serde(skip)]
    source: Source,
    #[serde(skip)]
    action: Action,
}

/// Whose login has the token's permissions, as long as it exists.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Login<'a> {
    login: Option<&'a str>,
    /// Whether it had them before.
    login_had_power: bool,
}

impl<'a> Report<'a> {
    fn new(
        of: &Made<'_>,
        made: &'a token_plan::Made<'a>,
        changed: Option<bool>,
        dry_run: bool,
    ) -> Self {
        let token_out = of.token_out.filter(|_| !dry_run);
        Self {
            authorization: &made.entry,
            changed,
            dry_run,
            login: made.login_had_power.map(|login_had_power| Login {
                login: made.entry.user,
                login_had_power,
            }),
            token_out: token_out.map(|path| path.display().to_string()),
            kept: how_kept(made),
            source: of.source,
            action: of.action,
        }
    }

    /// Where the value is.
    fn whereabouts(&self) -> String {
        match (&self.token_out, self.source) {
            (Some(path), _) => format!("it is in {}", printable(path)),
            (None, Source::Generated) => "it is shown only now".into(),
            (None, Source::Given) => "its value is the given one".into(),
            (None, Source::Hash) => "its value is that of the given hash".into(),
        }
    }
}

/// How a token is kept, and why.
pub fn how_kept(made: &token_plan::Made<'_>) -> String {
    let how = made.entry.storage.name();
    match (made.kept_because, made.entry.storage) {
        (KeptBecause::Schema, _) => {
            format!(
                "{how}: releases of schema {} know no hashed tokens",
                made.schema
            )
        }
        (KeptBecause::Asked, _) => format!("{how}, as asked for"),
        (KeptBecause::Setting, _) => format!("{how}, as use-hashed-tokens says"),
        (KeptBecause::Store, Storage::Hashed) => format!("{how}, as other tokens of the store"),
        (KeptBecause::NewStore, _) => format!("{how}, as InfluxDB 2.9 makes new stores"),
        (KeptBecause::Store, _) => format!("{how}: the store holds no hashed tokens"),
    }
}

impl Human for Report<'_> {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let id = self.authorization.id;
        let kind = match self.authorization.kind {
            Kind::Custom => String::new(),
            kind => format!("{} ", kind.name()),
        };
        match (self.action, self.dry_run) {
            (Action::Create, true) => {
                writeln!(out, "a new {kind}token would be made; nothing was changed")?
            }
            (Action::Create, false) => {
                writeln!(out, "a new {kind}token was made; {}", self.whereabouts())?;
            }
            (Action::Rotate, true) => writeln!(
                out,
                "{id} would get a new token, and the old one would open nothing any more;\n\
                 nothing was changed"
            )?,
            (Action::Rotate, false) => writeln!(
                out,
                "{id} has a new token, and the old one opens nothing any more;\n{}",
                self.whereabouts()
            )?,
        }
        writeln!(out)?;
        let shown = self.source == Source::Generated && self.token_out.is_none();
        write_entry(self.authorization, self.dry_run || !shown, out)?;
        writeln!(out, "Kept:         {}", self.kept)?;
        if let Some(Login {
            login: Some(user),
            login_had_power,
        }) = self.login
        {
            let user = printable(user);
            let power = match self.authorization.kind {
                Kind::Operator => "operator power",
                _ => "these permissions",
            };
            if login_had_power {
                writeln!(
                    out,
                    "Login:        {user} has {power} when signed in, as before"
                )?;
            } else {
                writeln!(
                    out,
                    "Login:        {user} gains {power} when signed in, for as long as the \
                     token exists"
                )?;
            }
        }
        Ok(())
    }
}
