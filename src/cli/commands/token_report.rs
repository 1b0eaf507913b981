//! Options and report of the commands that create a token or replace its value.

use std::fmt;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use serde::Serialize;
use zeroize::Zeroizing;

use crate::cli::change::{ChangeCommand, Ending, Look, NewToken, View};
use crate::cli::commands::login_line::LoginGains;
use crate::cli::session::{Database, Session};
use crate::cli::terminal::auth_details::{IT_WOULD_BE, write_auth_details};
use crate::cli::terminal::closed_stdout;
use crate::cli::terminal::report::{Human, NOTHING_CHANGED, printable, told};
use crate::cli::terminal::secret_input::{Secret, read_secret_file};
use crate::error::{Error, ErrorKind, Result};
use crate::metadata::{Fingerprint, Id, Kind, Storage, TokenHash};
use crate::ops::auth::list::AuthDetails;
use crate::ops::commit::SideFiles;
use crate::ops::timestamp::Timestamp;
use crate::ops::token_plan;
use crate::ops::token_plan::new_token::Making;
use crate::ops::token_plan::token_storage::{StorageChoice, StorageReason};
use crate::ops::token_plan::{TokenPlan, Value};
use crate::store::{ChangeSet, Committed, Snapshot, WritableStore};

/// The output file for a new token.
#[derive(Debug, Args)]
pub struct TokenOutArgs {
    /// Write the new token to this file before changing the database; the file must not exist and
    /// is created with mode 0600
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

/// The value of a token, and how it is stored.
#[derive(Debug, Args)]
#[command(next_help_heading = "Value")]
pub struct ValueArgs {
    /// File with the token value (- for standard input) [default: generated]
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// Store this hash, as printed by boltkey token hash; this host never sees the token
    #[arg(
        long,
        value_name = "PHC",
        conflicts_with_all = ["token_file", "token_out"]
    )]
    hashed_token: Option<Unshown>,
    /// How to store the token; auto: as use-hashed-tokens, otherwise as the other tokens
    #[arg(long, value_name = "HOW", default_value = "auto")]
    store: StoreArg,
    /// Allow a value or an owner that servers reject
    #[arg(long)]
    allow_unusable: bool,
    #[command(flatten)]
    token_out: TokenOutArgs,
}

/// A text that may be a secret passed by mistake.
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

    /// The source of the value.
    #[must_use]
    pub fn source(&self) -> Source {
        match (&self.token_file, &self.hashed_token) {
            (_, Some(_)) => Source::Hash,
            (Some(_), None) => Source::Given,
            (None, None) => Source::Generated,
        }
    }

    /// Reads the value before the lock is taken.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] for an invalid hash; otherwise the errors of [`read_secret_file`].
    pub fn read(&self, session: &Session) -> Result<Making> {
        let wanted = match self.store {
            StoreArg::Auto => StorageChoice::Auto,
            StoreArg::Hashed => StorageChoice::Hashed,
            StoreArg::Plaintext => StorageChoice::Plaintext,
        };
        let value = match (&self.token_file, &self.hashed_token) {
            (_, Some(_)) if wanted == StorageChoice::Plaintext => {
                return Err(Error::new(
                    ErrorKind::Usage,
                    "--store plaintext can't be combined with --hashed-token, because a hash does \
                     not contain the token",
                ));
            }
            (_, Some(Unshown(text))) => Value::Hash(parse_hash(text)?),
            (Some(path), None) => {
                Value::Chosen(read_secret_file(&Secret::TOKEN, path, session.ui())?)
            }
            (None, None) => Value::Generated,
        };
        Ok(Making {
            value,
            wanted,
            use_hashed_tokens: session.use_hashed_tokens(),
            allow_unusable: self.allow_unusable,
            new_store: None,
        })
    }
}

/// Never quotes the text, which may be a token passed by mistake.
fn parse_hash(text: &str) -> Result<TokenHash> {
    TokenHash::parse(text).map_err(|cause| {
        Error::new(
            ErrorKind::Usage,
            format!("--hashed-token is not a hash that influxd supports: {cause}"),
        )
        .with_hint("use the output of boltkey token hash, in single quotes: '$influxdb2-sha256$…'")
    })
}

/// The source of a token value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// Generated by this command. There is no other copy.
    Generated,
    /// Supplied by the user.
    Given,
    /// Only the hash was supplied.
    Hash,
}

/// The kind of change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// A new authorization.
    Create,
    /// A new value for an existing authorization.
    Rotate,
}

/// The options for a new token.
pub struct TokenOptions<'a> {
    /// The source of its value.
    pub source: Source,
    /// The output file.
    pub token_out: Option<&'a Path>,
    /// The kind of change.
    pub action: Action,
    /// The command that creates another one.
    pub again: &'a str,
}

impl TokenOptions<'_> {
    /// Fails early if the token could be printed only to a closed standard output.
    ///
    /// # Errors
    /// When standard output is closed and is the only output.
    pub fn can_be_told(&self, session: &Session) -> Result<()> {
        if self.source != Source::Generated || self.token_out.is_some() || session.dry_run() {
            return Ok(());
        }
        closed_stdout::ensure_open()
            .map_err(|error| error.with_hint("the new token would be lost; use --token-out FILE"))
    }

    /// The input of [`end`](crate::cli::change::end). None if only the hash is known, so that no value
    /// can be lost.
    #[must_use]
    pub fn new_token(&self, id: Id) -> Option<NewToken<'_>> {
        (self.source != Source::Hash).then_some(NewToken {
            id,
            token_out: self.token_out,
            given: self.source == Source::Given,
            again: self.again,
        })
    }
}

/// A command that creates a token or replaces its value.
pub trait TokenCommand {
    /// The options for the token.
    fn token_options(&self) -> &TokenOptions<'_>;

    /// Plans the token and its record.
    ///
    /// # Errors
    /// The errors of the operation.
    fn plan(&self, snapshot: &dyn Snapshot, now: &Timestamp) -> Result<TokenPlan>;

    /// When the store is read before the exclusive lock is taken.
    fn look(&self) -> Look {
        Look::Never
    }

    /// See [`ChangeCommand::choose`].
    ///
    /// # Errors
    /// The errors of [`ChangeCommand::choose`].
    fn choose(&mut self, session: &Session, database: &Database) -> Result<Option<Owner>> {
        let _ = (session, database);
        Ok(None)
    }

    /// The question, if there is one. `entry` is the planned authorization.
    fn question(&self, entry: &AuthDetails<'_>) -> Option<String> {
        let _ = entry;
        None
    }
}

/// Everything in the store that the question or the choice depends on.
#[derive(PartialEq, Eq)]
pub struct TokenConfirmed {
    owner: Owner,
    /// The record that gets a new value, before the change.
    replaced: Option<Fingerprint>,
}

/// Adapts a [`TokenCommand`] to [`ChangeCommand`].
pub struct TokenChange<T>(pub T);

impl<T: TokenCommand> ChangeCommand for TokenChange<T> {
    type Plan = TokenPlan;
    type Confirmed = TokenConfirmed;
    type Done = ();

    fn look(&self) -> Look {
        self.0.look()
    }

    fn choose(
        &mut self,
        session: &Session,
        database: &Database,
    ) -> Result<Option<Self::Confirmed>> {
        let owner = self.0.choose(session, database)?;
        Ok(owner.map(|owner| TokenConfirmed {
            owner,
            replaced: None,
        }))
    }

    fn reads_one_bucket(&self) -> bool {
        true
    }

    fn plan(&self, store: &View<'_>) -> Result<TokenPlan> {
        self.0.plan(store.snapshot, &store.now)
    }

    fn edits<'p>(&self, plan: &'p TokenPlan) -> Option<&'p ChangeSet> {
        match self.0.token_options().action {
            Action::Create => None,
            Action::Rotate => Some(&plan.changes),
        }
    }

    fn question(&self, plan: &TokenPlan, _: &str) -> Result<Option<String>> {
        plan.show(false, |token| self.0.question(&token.entry))
    }

    fn confirmed(&self, plan: &TokenPlan) -> Result<TokenConfirmed> {
        Ok(TokenConfirmed {
            owner: plan.show(false, |token| owner(&token.entry))?,
            replaced: plan.replaced(),
        })
    }

    fn side_files<'p>(&'p self, session: &'p Session, plan: &'p TokenPlan) -> SideFiles<'p> {
        let token_out = self.0.token_options().token_out;
        SideFiles {
            keep_copy: session.keep_copy(),
            tokens_out: token_out.zip(plan.token()).into_iter().collect(),
            ..SideFiles::default()
        }
    }

    fn apply(
        &self,
        plan: &TokenPlan,
        store: &mut WritableStore,
        side_files: &SideFiles<'_>,
    ) -> Result<(Committed, ())> {
        Ok((plan.apply(store, side_files)?, ()))
    }

    fn report(
        &self,
        session: &Session,
        plan: &TokenPlan,
        ending: &Ending<'_, ()>,
    ) -> Result<Zeroizing<Vec<u8>>> {
        let ui = session.ui();
        for note in &plan.notes {
            ui.warning(note);
        }
        plan.show(!ending.dry_run, |token| {
            let of = self.0.token_options();
            ui.render(&Report::new(of, token, ending.changed, ending.dry_run))
        })?
    }

    fn new_token(&self, plan: &TokenPlan) -> Option<NewToken<'_>> {
        self.0.token_options().new_token(plan.id())
    }
}

/// User and organization of a token: ID and name each. The name is None if the record is missing.
pub type Owner = (Option<Id>, Option<String>, Id, Option<String>);

/// The owner of this authorization.
#[must_use]
pub fn owner(entry: &AuthDetails<'_>) -> Owner {
    (
        entry.user_id,
        entry.user.map(str::to_owned),
        entry.org_id,
        entry.org.map(str::to_owned),
    )
}

/// The report.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Report<'a> {
    /// The authorization with the new token.
    authorization: &'a AuthDetails<'a>,
    /// Whether the database was changed; null if unknown.
    changed: Option<bool>,
    /// Only in a dry run, and true there: nothing was changed.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    dry_run: bool,
    #[serde(flatten)]
    login: Option<LoginGains<'a>>,
    /// The file with the new token, if `--token-out` was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    token_out: Option<String>,
    #[serde(skip)]
    kept: String,
    #[serde(skip)]
    source: Source,
    #[serde(skip)]
    action: Action,
}

impl<'a> Report<'a> {
    fn new(
        of: &TokenOptions<'_>,
        token: &'a token_plan::PlannedToken<'a>,
        changed: Option<bool>,
        dry_run: bool,
    ) -> Self {
        let token_out = of.token_out.filter(|_| !dry_run);
        Self {
            authorization: &token.entry,
            changed,
            dry_run,
            login: LoginGains::of(token),
            token_out: token_out.map(|path| path.display().to_string()),
            kept: storage_text(token.entry.storage, token.storage_reason, token.schema),
            source: of.source,
            action: of.action,
        }
    }

    /// Says where the value is.
    fn whereabouts(&self) -> String {
        match (&self.token_out, self.source) {
            (Some(path), _) => format!("it is in {}", printable(path)),
            (None, Source::Generated) => "it is shown only once".into(),
            (None, Source::Given) => "it has the value you supplied".into(),
            (None, Source::Hash) => "it has the hash you supplied".into(),
        }
    }
}

/// How a token is stored, and why. `schema` is that of the store.
pub fn storage_text(storage: Storage, reason: StorageReason, schema: u64) -> String {
    let how = storage.name();
    match (reason, storage) {
        (StorageReason::Schema, _) => {
            format!("{how}, because releases of schema {schema} don't support hashed tokens")
        }
        (StorageReason::Asked, _) => format!("{how}, as requested"),
        (StorageReason::Setting, _) => format!("{how}, as set by use-hashed-tokens"),
        (StorageReason::Store, Storage::Hashed) => format!("{how}, like other tokens in the store"),
        (StorageReason::NewStore(release), _) => {
            format!("{how}, as in new stores of InfluxDB {release}")
        }
        (StorageReason::Store, _) => format!("{how}, because the store has no hashed tokens"),
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
                writeln!(out, "would create a new {kind}token; {NOTHING_CHANGED}")?
            }
            (Action::Create, false) => {
                writeln!(out, "created a new {kind}token; {}", self.whereabouts())?;
            }
            (Action::Rotate, true) => writeln!(
                out,
                "would replace the token of {id}; the old value would stop working;\n\
                 {NOTHING_CHANGED}"
            )?,
            (Action::Rotate, false) => writeln!(
                out,
                "replaced the token of {id}; the old value no longer works;\n{}",
                self.whereabouts()
            )?,
        }
        writeln!(out, "{}", told(self.dry_run, IT_WOULD_BE, ""))?;
        let shown = self.source == Source::Generated && self.token_out.is_none();
        write_auth_details(self.authorization, self.dry_run || !shown, out)?;
        writeln!(out, "Storage:      {}", self.kept)?;
        if let Some(login) = &self.login {
            login.write(self.authorization.kind, self.dry_run, out)?;
        }
        Ok(())
    }
}
