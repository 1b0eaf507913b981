//! The command line: global options and the list of commands.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

use super::Session;
use super::exit::Outcome;
use crate::error::Result;

/// Offline admin and recovery for the token store of InfluxDB OSS 2.x.
///
/// Works on the database file of a stopped instance, on copies and on backups; never over the
/// network.
#[derive(Debug, Parser)]
#[command(name = "boltkey", version, propagate_version = true)]
pub struct Cli {
    #[command(flatten)]
    pub globals: Globals,
    #[command(subcommand)]
    pub command: Command,
}

/// Options that every command takes, before or after its name.
#[derive(Debug, Clone, Args)]
pub struct Globals {
    /// The database: an influxd.bolt file, or a gzipped copy of one
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
    /// When to use colour
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

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Say what a file is, who can still get in, and what it still shows
    Status,
    /// List, show and verify authorizations
    #[command(subcommand, visible_alias = "authorization")]
    Auth(super::auth::Command),
    /// Check the structure of the file and the sense of the metadata
    Check(super::check::CheckArgs),
    /// List users
    #[command(subcommand)]
    User(super::listing::Command),
    /// List organizations
    #[command(subcommand)]
    Org(super::listing::Command),
    /// List InfluxDB buckets
    #[command(subcommand)]
    Bucket(super::listing::Command),
}

/// Hands the command to its module.
pub fn dispatch(command: Command, session: &Session) -> Result<Outcome> {
    match command {
        Command::Status => super::status::run(session),
        Command::Auth(command) => super::auth::run(command, session),
        Command::Check(args) => super::check::run(&args, session),
        Command::User(command) => super::listing::users(command, session),
        Command::Org(command) => super::listing::orgs(command, session),
        Command::Bucket(command) => super::listing::buckets(command, session),
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
