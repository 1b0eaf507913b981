//! The command line: global options and the list of commands.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::cli::Session;
use crate::cli::exit::Outcome;
use crate::error::Result;

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
  1  failed: I/O error, no such file or record, refused; nothing was changed
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

/// Options that every command takes, before or after its name.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Global options")]
pub struct Globals {
    /// The database: an influxd.bolt file, a redb store, or for reading a gzipped copy of either;
    /// found if not given
    #[arg(
        short = 'd',
        long = "db",
        alias = "bolt-path",
        global = true,
        value_name = "PATH"
    )]
    pub db: Option<PathBuf>,
    /// Machine-readable output: one JSON document on standard output
    #[arg(long, global = true)]
    pub json: bool,
    /// Do everything short of changing the database, and report what would be changed
    #[arg(short = 'n', long, global = true)]
    pub dry_run: bool,
    /// Yes to every yes-or-no question; choices are never guessed
    #[arg(short, long, global = true)]
    pub yes: bool,
    /// Before changing the database, put a verified copy of it into this new file
    #[arg(long, global = true, value_name = "FILE")]
    pub keep_copy: Option<PathBuf>,
    /// Wait that long for the lock (500ms, 5s, 2m); default: do not wait
    #[arg(long, global = true, value_name = "DURATION", value_parser = duration)]
    pub wait: Option<Duration>,
    /// Go on where the file system has no locks
    #[arg(long, global = true)]
    pub no_lock: bool,
    /// No status lines on standard error
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub quiet: bool,
    /// More status lines on standard error
    #[arg(short, long, global = true)]
    pub verbose: bool,
    /// When to use colour; by default on a terminal, unless NO_COLOR is set
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    pub color: ColorWhen,
}

/// When to use colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ColorWhen {
    Auto,
    Always,
    Never,
}

impl From<ColorWhen> for anstream::ColorChoice {
    fn from(when: ColorWhen) -> Self {
        match when {
            ColorWhen::Auto => Self::Auto,
            ColorWhen::Always => Self::Always,
            ColorWhen::Never => Self::Never,
        }
    }
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
    Auth(crate::cli::commands::auth::Command),
    /// Check the structure of the file and the sense of the metadata
    Check(crate::cli::commands::check::CheckArgs),
    /// Users: list, create, delete, give them a password
    #[command(subcommand)]
    User(crate::cli::commands::user::Command),
    /// Organizations: list, create
    #[command(subcommand)]
    Org(crate::cli::commands::org::Command),
    /// List InfluxDB buckets
    #[command(subcommand)]
    Bucket(crate::cli::commands::bucket::list::Command),
    /// Make a new store with a first user, organization, bucket and operator token
    Setup(Box<crate::cli::commands::setup::SetupArgs>),
    /// Make organizations, users and tokens be as a list says; a second run changes nothing
    Apply(crate::cli::commands::apply::ApplyArgs),
    /// Write out every token that is stored in plaintext
    Capture(crate::cli::commands::capture::CaptureArgs),
    /// Replace every plaintext token by its hash, as InfluxDB 2.8 and later do, and leave none
    /// readable
    Hash(crate::cli::commands::hash::HashArgs),
    /// Get back in: make a new operator token without an old one
    #[command(subcommand)]
    Recover(crate::cli::commands::recover::operator::Command),
    /// Find, and get back, plaintext tokens that only unused parts of a file still show
    #[command(subcommand)]
    Residue(crate::cli::commands::residue::Command),
    /// Go back to an older release, and take the tokens along
    #[command(subcommand)]
    Downgrade(crate::cli::commands::downgrade::Command),
    /// Write the whole store into a new file of the other engine, redb or bolt
    Convert(crate::cli::commands::convert::ConvertArgs),
    /// Write the whole store into a new, small file without unused parts
    Compact(crate::cli::commands::convert::CompactArgs),
    /// Back up metadata, look into backups, restore them
    #[command(subcommand)]
    Backup(crate::cli::commands::backup::Command),
    /// Make or hash a token; no database needed
    #[command(subcommand)]
    Token(crate::cli::commands::token::Command),
    /// Print the completion script for a shell
    Completions(crate::cli::commands::completions::CompletionsArgs),
    /// Write the manual pages into a folder
    Man(crate::cli::commands::man::ManArgs),
}

/// Hands the command to its module.
pub fn dispatch(command: Command, session: &Session) -> Result<Outcome> {
    match command {
        Command::Status => crate::cli::commands::status::run(session),
        Command::Locate => crate::cli::commands::locate::run(session),
        Command::Auth(command) => crate::cli::commands::auth::run(command, session),
        Command::Check(args) => crate::cli::commands::check::run(&args, session),
        Command::User(command) => crate::cli::commands::user::run(command, session),
        Command::Org(command) => crate::cli::commands::org::run(command, session),
        Command::Bucket(command) => crate::cli::commands::bucket::list::buckets(command, session),
        Command::Setup(args) => crate::cli::commands::setup::run(*args, session),
        Command::Apply(args) => crate::cli::commands::apply::run(&args, session),
        Command::Capture(args) => crate::cli::commands::capture::run(args, session),
        Command::Hash(args) => crate::cli::commands::hash::run(args, session),
        Command::Recover(command) => crate::cli::commands::recover::operator::run(command, session),
        Command::Residue(command) => crate::cli::commands::residue::run(command, session),
        Command::Downgrade(command) => crate::cli::commands::downgrade::run(command, session),
        Command::Convert(args) => crate::cli::commands::convert::run_convert(args, session),
        Command::Compact(args) => crate::cli::commands::convert::run_compact(args, session),
        Command::Backup(command) => crate::cli::commands::backup::run(command, session),
        Command::Token(command) => crate::cli::commands::token::run(command, session),
        Command::Completions(args) => crate::cli::commands::completions::run(&args, session),
        Command::Man(args) => crate::cli::commands::man::run(&args, session),
    }
}

/// Reads a duration as `500ms`, `5s`, `2m` or `1h`.
fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || String::from("expected a number and a unit, as in 500ms, 5s or 2m");
    let split = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
    let (number, unit) = text.split_at(split);
    let number: u64 = number.parse().map_err(|_| wrong())?;
    let millis = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return Err(wrong()),
    };
    number
        .checked_mul(millis)
        .map(Duration::from_millis)
        .ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        for (text, millis) in [
            ("0s", 0),
            ("500ms", 500),
            ("5s", 5_000),
            ("2m", 120_000),
            ("1h", 3_600_000),
        ] {
            assert_eq!(duration(text), Ok(Duration::from_millis(millis)));
        }
        let most = format!("{}h", u64::MAX);
        for text in ["", "5", "s", "5 s", "-5s", "1.5s", "5d", "5S", &most] {
            assert!(duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_definition_is_sound() {
        use clap::CommandFactory;
        Cli::command().debug_assert();
    }
}
