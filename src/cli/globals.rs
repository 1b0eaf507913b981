//! The global options.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

/// Options of every command. They may precede or follow the command name.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Global options")]
pub struct Globals {
    /// Database: an influxd.bolt file or a redb store; commands that only read also accept a
    /// gzipped copy [default: discovered, see boltkey --help]
    #[arg(
        short = 'd',
        long = "db",
        alias = "bolt-path",
        global = true,
        value_name = "PATH"
    )]
    pub db: Option<PathBuf>,
    /// Print one JSON document on standard output
    #[arg(long, global = true)]
    pub json: bool,
    /// Report what would change, without changing anything
    #[arg(short = 'n', long, global = true)]
    pub dry_run: bool,
    /// Answer yes to every yes-or-no question
    #[arg(short, long, global = true)]
    pub yes: bool,
    /// Save a verified copy of the database to this new file before changing it
    #[arg(long, global = true, value_name = "FILE")]
    pub keep_copy: Option<PathBuf>,
    /// Time to wait for the lock, such as 500ms, 5s or 2m [default: don't wait]
    #[arg(long, global = true, value_name = "DURATION", value_parser = duration)]
    pub wait: Option<Duration>,
    /// Continue without file locking if the file system does not support it
    #[arg(long, global = true)]
    pub no_lock: bool,
    /// Read the previous transaction, if it is intact (commands that only read)
    #[arg(long, global = true)]
    pub previous: bool,
    /// Print no status messages
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub quiet: bool,
    /// Print more status messages
    #[arg(short, long, global = true)]
    pub verbose: bool,
    /// When to use color; auto: on a terminal, unless NO_COLOR is set
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    pub color: ColorWhen,
}

/// When to use color.
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
}
