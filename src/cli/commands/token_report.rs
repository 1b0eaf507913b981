//! What the commands have in common that make a token, or give one a new value.

use std::fmt;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use serde::Serialize;
use zeroize::Zeroizing;

use crate::cli::change::{ChangeCommand, Ending, Look, NewToken, View};
use crate::cli::session::{Database, Session};
use crate::cli::terminal::auth_details::write_auth_details;
use crate::cli::terminal::secret_input::{Secret, is_exposed, read_secret};
use crate::cli::terminal::stdout;
use crate::cli::terminal::ui::{Human, NOTHING_CHANGED, printable};
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
            StoreArg::Auto => StorageChoice::Auto,
            StoreArg::Hashed => StorageChoice::Hashed,
            StoreArg::Plaintext => StorageChoice::Plaintext,
        };
        let value = match (&self.token_file, &self.hashed_token) {
            (_, Some(_)) if wanted == StorageChoice::Plaintext => {
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
    /// Generated by this command: it is stored nowhere else.
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

/// What the command line says of a new token.
pub struct TokenOptions<'a> {
    /// Where its value comes from.
    pub source: Source,
    /// The file for it.
    pub token_out: Option<&'a Path>,
    /// What is done.
    pub action: Action,
    /// The command that makes another one.
    pub again: &'a str,
}

impl TokenOptions<'_> {
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

    /// What [`end`](crate::cli::change::end) has to know of it; none where the value is not known
    /// here and can't be lost.
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

/// A command that makes a token, or gives one a new value.
pub trait TokenCommand {
    /// The token as the command line sees it.
    fn made(&self) -> &TokenOptions<'_>;

    /// Works out the token and its record.
    ///
    /// # Errors
    /// As the operation.
    fn plan(&self, snapshot: &dyn Snapshot, now: &Timestamp) -> Result<TokenPlan>;

    /// When the store is read before the exclusive lock is taken.
    fn look(&self) -> Look {
        Look::Never
    }

    /// As [`ChangeCommand::choose`].
    ///
    /// # Errors
    /// As [`ChangeCommand::choose`].
    fn choose(&mut self, session: &Session, database: &Database) -> Result<Option<Owner>> {
        let _ = (session, database);
        Ok(None)
    }

    /// The question, if there is one; `entry` is the authorization as it will be.
    fn question(&self, entry: &AuthDetails<'_>) -> Option<String> {
        let _ = entry;
        None
    }
}

/// What the question, or the choice, rests on.
#[derive(PartialEq, Eq)]
pub struct TokenConfirmed {
    owner: Owner,
    /// The record that gets a new value, as it was.
    replaced: Option<Fingerprint>,
}

/// A [`TokenCommand`] as the protocol of changes takes it.
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

    fn plan(&self, store: &View<'_>) -> Result<TokenPlan> {
        self.0.plan(store.snapshot, &store.now)
    }

    fn edits<'p>(&self, plan: &'p TokenPlan) -> Option<&'p ChangeSet> {
        match self.0.made().action {
            Action::Create => None,
            Action::Rotate => Some(&plan.changes),
        }
    }

    fn question(&self, plan: &TokenPlan, _: &str) -> Result<Option<String>> {
        plan.show(false, |made| self.0.question(&made.entry))
    }

    fn confirmed(&self, plan: &TokenPlan) -> Result<TokenConfirmed> {
        Ok(TokenConfirmed {
            owner: plan.show(false, |made| owner(&made.entry))?,
            replaced: plan.replaced(),
        })
    }

    fn side_files<'p>(&'p self, session: &'p Session, plan: &'p TokenPlan) -> SideFiles<'p> {
        let token_out = self.0.made().token_out;
        SideFiles {
            keep_copy: session.keep_copy(),
            tokens_out: token_out.zip(plan.token()).into_iter().collect(),
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
        plan.show(!ending.dry_run, |made| {
            let of = self.0.made();
            ui.render(&Report::new(of, made, ending.changed, ending.dry_run))
        })?
    }

    fn new_token(&self, plan: &TokenPlan) -> Option<NewToken<'_>> {
        self.0.made().new_token(plan.id())
    }
}

/// The user and the organization of a token: IDs, and names where they exist.
pub type Owner = (Option<Id>, Option<String>, Id, Option<String>);

/// The user and the organization of this authorization.
#[must_use]
pub fn owner(entry: &AuthDetails<'_>) -> Owner {
    (
        entry.user_id,
        entry.user.map(str::to_owned),
        entry.org_id,
        entry.org.map(str::to_owned),
    )
}

/// What was made, or would be.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Report<'a> {
    authorization: &'a AuthDetails<'a>,
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
        of: &TokenOptions<'_>,
        made: &'a token_plan::PlannedToken<'a>,
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
pub fn how_kept(made: &token_plan::PlannedToken<'_>) -> String {
    let how = made.entry.storage.name();
    match (made.storage_reason, made.entry.storage) {
        (StorageReason::Schema, _) => {
            format!(
                "{how}: releases of schema {} know no hashed tokens",
                made.schema
            )
        }
        (StorageReason::Asked, _) => format!("{how}, as asked for"),
        (StorageReason::Setting, _) => format!("{how}, as use-hashed-tokens says"),
        (StorageReason::Store, Storage::Hashed) => format!("{how}, as other tokens of the store"),
        (StorageReason::NewStore, _) => format!("{how}, as InfluxDB 2.9 makes new stores"),
        (StorageReason::Store, _) => format!("{how}: the store holds no hashed tokens"),
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
                writeln!(out, "a new {kind}token would be made; {NOTHING_CHANGED}")?
            }
            (Action::Create, false) => {
                writeln!(out, "a new {kind}token was made; {}", self.whereabouts())?;
            }
            (Action::Rotate, true) => writeln!(
                out,
                "{id} would get a new token, and the old one would open nothing any more;\n\
                 {NOTHING_CHANGED}"
            )?,
            (Action::Rotate, false) => writeln!(
                out,
                "{id} has a new token, and the old one opens nothing any more;\n{}",
                self.whereabouts()
            )?,
        }
        writeln!(out)?;
        let shown = self.source == Source::Generated && self.token_out.is_none();
        write_auth_details(self.authorization, self.dry_run || !shown, out)?;
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
