//! The command line: the list of commands. Only this file knows them all; no command imports it.

use clap::{CommandFactory, Parser, Subcommand};

use crate::cli::commands;
use crate::cli::exit::Outcome;
use crate::cli::globals::Globals;
use crate::cli::session::Session;
use crate::error::{Error, ErrorKind, Result};

/// What stands below the long help, and so on the manual page.
const AFTER_HELP: &str = "\
EXAMPLES
  What is this file, and who can still get in:
      boltkey status --db /var/lib/influxdb/influxd.bolt
  Every token's owner, kind and permissions:
      boltkey auth list --db influxd.bolt
  Is this token known, and would a server accept it:
      boltkey auth verify --db influxd.bolt --token-file token.txt
  A token known in advance that may write one bucket:
      boltkey auth create --db influxd.bolt --write-bucket ID --token-file F
  A new operator token, when the old one is lost:
      boltkey recover operator --db influxd.bolt
  Tokens that influxd 2.9 hashed and the file still shows:
      boltkey residue recover --db influxd.bolt --out recovered.json
  What would become of the tokens on InfluxDB 2.7, and how to get there:
      boltkey downgrade check --to 2.7 --db influxd.bolt
  A backup without any token, and whether a token opens it:
      boltkey backup export --db influxd.bolt --out backups
      boltkey backup inspect backups --operator-token-file token.txt
  For scripts:
      boltkey user list --db influxd.bolt --json

WHERE THE DATABASE IS
  --db, else BOLTKEY_DB, else INFLUXD_BOLT_PATH, else bolt-path in influxd's
  configuration (the file or folder of INFLUXD_CONFIG_PATH, else the package's
  or the container image's), else the default paths of influxd, its packages
  and its image. The path chosen, and why, is told on standard error.
  boltkey locate names every store of this host, and the one influxd would open.

EXIT CODES
  0  done, or nothing to do, or nothing found
  1  failed: I/O error, no such file or record, refused; no change was made
  2  usage: bad arguments
  3  the answer is \"no\": findings, or a token that is not accepted
  4  locked: another process holds the database
  5  unreadable: not a metadata store, or damaged beyond reading
  6  a question had to be asked and nobody was there
  7  incomplete: done, but a later step failed, or it can't be known whether
     it is done; the text says what holds
  With --json the last line of standard error tells a failure:
  {\"error\":{\"code\":\"locked\",\"message\":\"...\",\"hint\":\"...\"}}

WHEN INFLUXD SAYS
  \"timeout\", \"unable to open boltdb\"
      Another process holds the file. Any command here names it (exit 4).
  \"bucket not found\"
      The file is no metadata store, often one made by a wrong path.
      boltkey status tells what it is, boltkey locate where the others are.
  \"unauthorized access\", \"authorization not found\"
      boltkey auth verify tells which step refuses the token.
  \"Missing metadata for bucket\"
      boltkey check names the records.
  \"DB contains record of unknown migration\"
      A newer influxd was here. boltkey downgrade check tells the way back.";

/// Offline admin and recovery for the token store of InfluxDB OSS 2.x.
///
/// Works on the database file of a stopped instance, on copies and on backups; never over the
/// network. Reading never writes a byte and never creates a missing file; a command that changes
/// the database does so once, entirely or not at all.
#[derive(Debug, Parser)]
#[command(
    name = "boltkey",
    version,
    max_term_width = 80,
    after_help = "See boltkey --help for examples, exit codes and what influxd's messages mean.",
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
    /// Say what a file is, who can still get in, and what it still shows
    Status,
    /// Show every metadata store of this host, and which one influxd would open
    Locate,
    /// Tokens: list, show, verify, create, clone, rotate, update, delete
    #[command(subcommand, visible_alias = "authorization")]
    Auth(commands::auth::Command),
    /// Check the structure of the file and the sense of the metadata
    Check(commands::check::CheckArgs),
    /// Explain a finding, or an error text of influxd, influx or bbolt
    Explain(commands::explain::ExplainArgs),
    /// Users: list, create, delete, give them a password
    #[command(subcommand)]
    User(commands::user::Command),
    /// Organizations: list, create
    #[command(subcommand)]
    Org(commands::org::Command),
    /// List InfluxDB buckets
    #[command(subcommand)]
    Bucket(commands::bucket::Command),
    /// Make a new store with a first user, organization, bucket and operator token
    Setup(Box<commands::setup::SetupArgs>),
    /// Make organizations, users and tokens be as a list says; a second run changes nothing
    Apply(commands::apply::ApplyArgs),
    /// Write out every token that is stored in plaintext
    Capture(commands::capture::CaptureArgs),
    /// Replace every plaintext token by its hash, as InfluxDB 2.8 and later do, and leave none
    /// readable
    Hash(commands::hash::HashArgs),
    /// Get back in: make a new operator token without an old one
    #[command(subcommand)]
    Recover(commands::recover::Command),
    /// Find, and get back, plaintext tokens that only unused parts of a file still show
    #[command(subcommand)]
    Residue(commands::residue::Command),
    /// Go back to an older release, and take the tokens along
    #[command(subcommand)]
    Downgrade(commands::downgrade::Command),
    /// Write the whole store into a new file of the other engine, redb or bolt
    Convert(commands::convert::ConvertArgs),
    /// Write the whole store into a new, small file without unused parts
    Compact(commands::compact::CompactArgs),
    /// Back up metadata, look into backups, restore them
    #[command(subcommand)]
    Backup(commands::backup::Command),
    /// Make or hash a token; no database needed
    #[command(subcommand)]
    Token(commands::token::Command),
    /// Print the completion script for a shell
    Completions(commands::completions::CompletionsArgs),
    /// Write the manual pages into a folder
    Man(commands::man::ManArgs),
}

impl Command {
    /// Whether it reads the database and nothing else, so that `--previous` makes sense.
    fn only_reads(&self) -> bool {
        use crate::cli::commands::{auth, backup, bucket, downgrade, org, residue, user};
        match self {
            Self::Status
            | Self::Check(_)
            | Self::Capture(_)
            | Self::Convert(_)
            | Self::Compact(_) => true,
            Self::Auth(command) => matches!(
                command,
                auth::Command::List(_) | auth::Command::Show(_) | auth::Command::Verify(_)
            ),
            Self::User(command) => matches!(command, user::Command::List(_)),
            Self::Org(command) => matches!(command, org::Command::List(_)),
            Self::Bucket(command) => matches!(command, bucket::Command::List(_)),
            Self::Residue(command) => !matches!(command, residue::Command::Scrub(_)),
            Self::Downgrade(command) => matches!(command, downgrade::Command::Check(_)),
            Self::Backup(command) => matches!(command, backup::Command::Export(_)),
            _ => false,
        }
    }
}

/// Hands the command to its module.
///
/// # Errors
/// As the command; [`ErrorKind::Usage`] for `--previous` with one that does not read a database.
pub fn dispatch(command: Command, session: &Session) -> Result<Outcome> {
    if session.previous() && !command.only_reads() {
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
        Command::Locate => commands::locate::run(session),
        Command::Auth(command) => commands::auth::run(command, session),
        Command::Check(args) => commands::check::run(&args, session),
        Command::Explain(args) => commands::explain::run(&args, session),
        Command::User(command) => commands::user::run(command, session),
        Command::Org(command) => commands::org::run(command, session),
        Command::Bucket(command) => commands::bucket::run(command, session),
        Command::Setup(args) => commands::setup::run(*args, session),
        Command::Apply(args) => commands::apply::run(&args, session),
        Command::Capture(args) => commands::capture::run(args, session),
        Command::Hash(args) => commands::hash::run(args, session),
        Command::Recover(command) => commands::recover::run(command, session),
        Command::Residue(command) => commands::residue::run(command, session),
        Command::Downgrade(command) => commands::downgrade::run(command, session),
        Command::Convert(args) => commands::convert::run(args, session),
        Command::Compact(args) => commands::compact::run(args, session),
        Command::Backup(command) => commands::backup::run(command, session),
        Command::Token(command) => commands::token::run(command, session),
        Command::Completions(args) => commands::completions::run(&args, Cli::command(), session),
        Command::Man(args) => commands::man::run(&args, Cli::command(), session),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }
}
