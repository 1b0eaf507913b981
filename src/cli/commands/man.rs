//! `boltkey man`.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use jiff::Timestamp;
use serde::Serialize;

use crate::cli::exit::Outcome;
use crate::cli::session::Session;
use crate::cli::terminal::report::{Human, printable};
use crate::cli::version;
use crate::error::{IoContext, Result};
use crate::finding::counted;

/// Options of `man`.
#[derive(Debug, Args)]
pub struct ManArgs {
    /// Folder for the pages; made if it does not exist, older pages of boltkey are replaced
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

/// Runs `man`: writes a page for `program` and for each of its subcommands.
///
/// # Errors
/// When a page can't be written.
pub fn run(args: &ManArgs, program: clap::Command, session: &Session) -> Result<Outcome> {
    let mut command = program
        .disable_help_subcommand(true)
        .version(version::NUMBER);
    // Sets the full name and the inherited options of each subcommand.
    command.build();
    let mut pages = Vec::new();
    std::fs::create_dir_all(&args.out).at("create the folder", &args.out)?;
    write_pages(&command, &date(), &args.out, &mut pages)?;
    session.ui().report(&Pages {
        out: args.out.clone(),
        pages,
    })?;
    Ok(Outcome::Done)
}

/// The date of the pages: that of `SOURCE_DATE_EPOCH`, which makes packages reproducible, or today.
fn date() -> String {
    let epoch = std::env::var("SOURCE_DATE_EPOCH").ok();
    let epoch = epoch.and_then(|seconds| seconds.parse().ok());
    let at = epoch.and_then(|seconds| Timestamp::from_second(seconds).ok());
    at.unwrap_or_else(Timestamp::now)
        .strftime("%Y-%m-%d")
        .to_string()
}

/// Writes a page for a command and its subcommands. The depth is that of our own commands.
fn write_pages(
    command: &clap::Command,
    date: &str,
    folder: &Path,
    pages: &mut Vec<String>,
) -> Result<()> {
    let page = clap_mangen::Man::new(command.clone())
        .date(date)
        .source(format!("boltkey {}", version::NUMBER))
        .manual("User Commands");
    let name = page.get_filename();
    let path = folder.join(&name);
    let mut text = Vec::new();
    page.render(&mut text)
        .and_then(|()| std::fs::write(&path, without_needless_breaks(&text)))
        .at("write", &path)?;
    pages.push(name);
    for subcommand in command.get_subcommands().filter(|c| !c.is_hide_set()) {
        write_pages(subcommand, date, folder, pages)?;
    }
    Ok(())
}

/// The page without line breaks around a blank line, which breaks the line too: mandoc warns about
/// them.
fn without_needless_breaks(page: &[u8]) -> String {
    String::from_utf8_lossy(page).replace(".br\n\n.br\n", ".sp\n")
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Pages {
    /// The folder.
    out: PathBuf,
    /// The names of the pages.
    pages: Vec<String>,
}

impl Human for Pages {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let folder = printable(&self.out.display().to_string());
        writeln!(
            out,
            "{} in {folder}",
            counted(self.pages.len() as u64, "page")
        )
    }
}
