//! What a start of influxd would do with the store: nothing, migrate it, hash its tokens, or refuse
//! it.

use std::path::Path;

use crate::error::Result;
use crate::finding::counted;
use crate::metadata::{Release, Schema};
use crate::ops::doctor::command_line::{boltkey, text};
use crate::ops::doctor::cures::restoring;
use crate::ops::doctor::{Check, HostFacts, Verdict};
use crate::ops::downgrade;
use crate::ops::downgrade::sql_side::SqlBeside;
use crate::store::{OpenOptions, Store};

/// The check.
///
/// # Errors
/// When the file can't be read.
pub(super) fn start(
    store: &Store,
    is_damaged: bool,
    host: &HostFacts,
    sqlite: &Path,
    open: &OpenOptions,
) -> Result<Check> {
    let schema = Schema::load(store.snapshot())?;
    let database = text(&store.description().path);
    if !schema.known && is_damaged {
        return Ok(Check::ok("start", "unknown, because damage hides records"));
    }
    if !schema.known {
        let hint = "Start the release that wrote it, or restore a backup.";
        let message = match schema.findings.first() {
            Some(finding) => format!("its schema is not known: {}", finding.message),
            None => String::from("its schema is not known"),
        };
        let (_, command) = restoring(&database);
        let command = Some(command);
        return Ok(Check::found("start", Verdict::Fail, message, hint, command));
    }
    let plaintext = plaintext(store)?;
    let fits = format!("schema {} ({})", schema.migrations, schema.release());
    let Some(installed) = &host.installed else {
        let hashes = match plaintext {
            0 => String::new(),
            number => format!(
                "; InfluxDB 2.9 would hash {} at its first start",
                counted(number, "token")
            ),
        };
        return Ok(Check::ok("start", format!("{fits}{hashes}")));
    };
    let (release, what) = (installed.release, &installed.what);
    if release.migrations() < schema.migrations {
        let to = release;
        let sql = SqlBeside::read(
            &store.description().path,
            open,
            &downgrade::sql_side::Options {
                target: to,
                sqlite: sqlite.exists().then(|| sqlite.to_path_buf()),
            },
        )?;
        let (outlook, _) = downgrade::check::check(store, to, &sql)?;
        let to = to.to_string();
        let (hint, command) = if outlook.lost.has_none() {
            (
                "Undo the newer schema, or install the release that wrote it.",
                boltkey(&["downgrade", "apply", "--to", &to, "--db", &database]),
            )
        } else {
            (
                "Put back the tokens that this release can't read, or install the release that wrote the store.",
                boltkey(&[
                    "downgrade",
                    "prepare",
                    "--tokens",
                    "<file with tokens>",
                    "--db",
                    &database,
                ]),
            )
        };
        return Ok(Check::found(
            "start",
            Verdict::Fail,
            format!("{fits}: {what} does not start with it"),
            hint,
            Some(command),
        ));
    }
    let hashes = release >= Release::HASHING_BY_DEFAULT && host.use_hashed_tokens != Some(false);
    if hashes && plaintext > 0 {
        return Ok(Check::found(
            "start",
            Verdict::Warn,
            format!(
                "{fits}: {what} will hash {} at its next start, and nobody can read them afterwards",
                counted(plaintext, "token")
            ),
            "Hash them now, with a capture that keeps them.",
            Some(boltkey(&[
                "hash",
                "--capture",
                "<new file>",
                "--db",
                &database,
            ])),
        ));
    }
    let migrates = if release.migrations() > schema.migrations {
        format!(
            "migrates it to schema {} at its next start",
            release.migrations()
        )
    } else {
        String::from("starts with it as it is")
    };
    Ok(Check::ok("start", format!("{fits}: {what} {migrates}")))
}

/// The number of tokens that a record holds in plaintext.
fn plaintext(store: &Store) -> Result<u64> {
    use crate::metadata::{Storage, authorization, names};
    let mut number = 0;
    authorization::scan(store.snapshot(), names::AUTHORIZATIONS, &mut |record| {
        number += u64::from(record.storage() == Storage::Plaintext);
    })?;
    Ok(number)
}
