//! The list of all commands and its dispatch. No command imports this file.

use clap::{Parser, Subcommand};

use crate::cli::commands;
use crate::cli::exit::Outcome;
use crate::cli::globals::Globals;
use crate::cli::session::Session;
use crate::error::{Error, ErrorKind, Result};

/// Text after the long help and on the manual page.
const AFTER_HELP: &str = "\
EXAMPLES
  Show what a file is and who has access:
      boltkey status --db /var/lib/influxdb/influxd.bolt
  List every token with its owner, kind and permissions:
      boltkey auth list --db influxd.bolt
  Check whether a server would accept a token:
      boltkey auth verify --db influxd.bolt --token-file token.txt
  Create a token with a chosen value that can write to one bucket:
      boltkey auth create --db influxd.bolt --write-bucket ID --token-file F
  Create a new operator token when the old one is lost:
      boltkey recover operator --db influxd.bolt
  Make a lost influxd.bolt again, with the buckets of the engine folder:
      boltkey setup --db influxd.bolt --username alice --org acme --bucket b
      boltkey bucket adopt --all --db influxd.bolt
  Recover tokens that influxd 2.9 hashed, from unused parts of the file:
      boltkey residue recover --db influxd.bolt --out recovered.json
  Show which tokens a downgrade to InfluxDB 2.7 would lose, and the steps:
      boltkey downgrade check --to 2.7 --db influxd.bolt
  Back up without a token, then check that an operator token opens it:
      boltkey backup export --db influxd.bolt --out backups
      boltkey backup inspect backups --operator-token-file token.txt
  Write a page about one store or many, without secrets, to keep or share:
      boltkey report influxd.bolt --out report.html
  Print JSON for a script:
      boltkey user list --db influxd.bolt --json

HOW THE DATABASE IS FOUND
  The first of these that is set or exists:
    1. --db, BOLTKEY_DB, INFLUXD_BOLT_PATH
    2. the file of a running influxd of root, this user or the service's user
    3. the influxd service: its command line, environment and environment files
    4. bolt-path in influxd's configuration: the file or folder in
       INFLUXD_CONFIG_PATH, or else that of the package or container image
    5. the default paths of influxd, its packages and its image
  The chosen path, the reason, and every other store are printed on standard
  error. A store that was found is changed only after a yes. If several stores
  exist, only a variable, a running influxd or a service decides which one is
  changed; otherwise pass --db. To see every store on this host, and which one
  influxd would open, run boltkey locate.

EXIT CODES
  0  success: done, nothing to do, or nothing found
  1  failed: I/O error, no such file or record, or refused; nothing changed
  2  usage: invalid arguments
  3  negative result: errors found, token not accepted, or capture not complete
  4  locked: another process holds the database
  5  unreadable: not a metadata store, or too damaged to read
  6  confirmation: an answer is required, but there is no terminal
  7  incomplete: the change was committed but a later step failed, or it is
  unknown whether it was committed; the message explains which
  With --json, a failure is reported on the last line of standard error:
  {\"error\":{\"code\":\"locked\",\"message\":\"...\",\"hint\":\"...\"}}

ERROR MESSAGES OF INFLUXD
  \"timeout\", \"unable to open boltdb\"
      Another process holds the file. Every command names that process (exit 4).
  \"bucket not found\"
      The file is not a metadata store. influxd creates such a file when its
      path is wrong. boltkey status identifies the file; boltkey locate lists
      the other stores.
  \"unauthorized access\", \"authorization not found\"
      To see why the token is rejected, run boltkey auth verify.
  \"Missing metadata for bucket\", \"bucket \"_tasks\" not found\"
      boltkey check names the records, boltkey repair cures them.
  \"invalid page type\", \"self identifies as\", \"invalid database\"
      The file is damaged. boltkey salvage makes a new store of every record
      that is left in it.
  \"DB contains record of unknown migration\"
      A newer influxd used this file. boltkey downgrade check lists the steps
      to go back.";

/// Offline administration and recovery for the token store of InfluxDB OSS 2.x
///
/// Works on the database file of a stopped instance, on copies and on backups. Never uses the
/// network. Commands that read never write to the database and never create it. Commands that
/// change the database make one atomic commit.
#[derive(Debug, Parser)]
#[command(
    name = "boltkey",
    version = crate::cli::version::text(),
    max_term_width = 80,
    after_help = "See boltkey --help for examples, exit codes and influxd's error messages.",
    after_long_help = AFTER_HELP
)]
pub struct Cli {
    #[command(flatten)]
    pub globals: Globals,
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show file type, who has access, and exposed tokens
    Status,
    /// Examine everything about a store or a backup and say what to do next
    Doctor(commands::doctor::DoctorArgs),
    /// List the metadata stores on this host and mark the one influxd would open
    Locate,
    /// Manage tokens: list, show, verify, create, clone, rotate, update, delete
    #[command(subcommand, visible_alias = "authorization")]
    Auth(commands::auth::Command),
    /// Check file structure and metadata consistency
    Check(commands::check::CheckArgs),
    /// Show what differs between two stores or backups
    Diff(commands::diff::DiffArgs),
    /// Write a report about one or many stores, without secrets: HTML, Markdown, JSON, NDJSON
    Report(commands::report::ReportArgs),
    /// Explain a finding code or an error message of influxd, influx or bbolt
    Explain(commands::explain::ExplainArgs),
    /// Manage users: list, verify, create, set a password, update, delete
    #[command(subcommand)]
    User(commands::user::Command),
    /// Manage organizations: list, create
    #[command(subcommand)]
    Org(commands::org::Command),
    /// Manage buckets: list, create, adopt from an engine folder
    #[command(subcommand)]
    Bucket(commands::bucket::Command),
    /// Manage the access of 1.x clients: 1.x users, mappings of databases to buckets
    #[command(subcommand)]
    V1(commands::v1::Command),
    /// Create a new store with an initial user, organization, bucket and operator token
    Setup(Box<commands::setup::SetupArgs>),
    /// Apply a declarative list of organizations, users, buckets, tokens and 1.x access (idempotent)
    Apply(commands::apply::ApplyArgs),
    /// Export the tokens that are stored in plaintext
    Capture(commands::capture::CaptureArgs),
    /// Replace plaintext tokens with hashes (InfluxDB 2.8 and later) and erase the plaintext
    Hash(commands::hash::HashArgs),
    /// Regain access: create an operator token without an existing token
    #[command(subcommand)]
    Recover(commands::recover::Command),
    /// Find, recover or erase plaintext tokens left in unused parts of a file
    #[command(subcommand)]
    Residue(commands::residue::Command),
    /// Downgrade the store to an older InfluxDB release and keep its tokens
    #[command(subcommand)]
    Downgrade(commands::downgrade::Command),
    /// Cure in place what check finds, in one commit
    Repair(commands::repair::RepairArgs),
    /// Copy the store to a new file of the other engine (bolt or redb)
    Convert(commands::convert::ConvertArgs),
    /// Copy the store to a new file without unused space
    Compact(commands::compact::CompactArgs),
    /// Make a new store out of a damaged Bolt file
    Salvage(commands::salvage::SalvageArgs),
    /// Export, inspect and restore metadata backups
    #[command(subcommand)]
    Backup(commands::backup::Command),
    /// Generate or hash a token (needs no database)
    #[command(subcommand)]
    Token(commands::token::Command),
    /// Print a shell completion script
    Completions(commands::completions::CompletionsArgs),
    /// Write the manual pages to a folder
    Man(commands::man::ManArgs),
}

/// Runs the command. `only_reads` says that it does not change the database; `program` makes the
/// complete definition, for manual pages.
///
/// # Errors
/// The errors of the command; [`ErrorKind::Usage`] for `--previous` with a command that changes
/// the database or does not read one.
pub fn dispatch(
    command: Command,
    only_reads: bool,
    program: fn() -> clap::Command,
    session: &Session,
) -> Result<Outcome> {
    if session.previous() && !only_reads {
        return Err(Error::new(
            ErrorKind::Usage,
            "--previous is for commands that only read the database",
        )
        .with_hint(
            "boltkey compact --previous --out FILE writes the transaction before the current one \
             to a new file, which can be changed",
        ));
    }
    match command {
        Command::Status => commands::status::run(session),
        Command::Doctor(args) => commands::doctor::run(args, session),
        Command::Locate => commands::locate::run(session),
        Command::Auth(command) => commands::auth::run(command, session),
        Command::Check(args) => commands::check::run(&args, session),
        Command::Diff(args) => commands::diff::run(args, session),
        Command::Report(args) => commands::report::run(&args, session),
        Command::Explain(args) => commands::explain::run(&args, session),
        Command::User(command) => commands::user::run(command, session),
        Command::Org(command) => commands::org::run(command, session),
        Command::Bucket(command) => commands::bucket::run(command, session),
        Command::V1(command) => commands::v1::run(command, session),
        Command::Setup(args) => commands::setup::run(*args, session),
        Command::Apply(args) => commands::apply::run(&args, session),
        Command::Capture(args) => commands::capture::run(args, session),
        Command::Hash(args) => commands::hash::run(args, session),
        Command::Recover(command) => commands::recover::run(command, session),
        Command::Residue(command) => commands::residue::run(command, session),
        Command::Downgrade(command) => commands::downgrade::run(command, session),
        Command::Repair(args) => commands::repair::run(args, session),
        Command::Convert(args) => commands::convert::run(args, session),
        Command::Compact(args) => commands::compact::run(args, session),
        Command::Salvage(args) => commands::salvage::run(args, session),
        Command::Backup(command) => commands::backup::run(command, session),
        Command::Token(command) => commands::token::run(command, session),
        Command::Completions(args) => commands::completions::run(&args, session),
        Command::Man(args) => commands::man::run(&args, program(), session),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_definition_is_valid() {
        Cli::command().debug_assert();
    }
}
