//! Which store it is, who holds it, and whose it is.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::error::{Error, IoContext, Result};
use crate::metadata::Release;
use crate::ops::doctor::command_line::{boltkey, command, text};
use crate::ops::doctor::{Check, Verdict};
use crate::store::{Store, holders_of};

/// What the host says about the store.
#[derive(Debug, Default)]
pub struct HostFacts {
    /// Where the path is from.
    pub chosen: Chosen,
    /// The user of the service that opens this store.
    pub service_user: Option<ServiceUser>,
    /// The influxd of this host, if its release is known.
    pub installed: Option<Installed>,
    /// The setting `use-hashed-tokens` of influxd.
    pub use_hashed_tokens: Option<bool>,
}

/// Where the path of the store is from.
#[derive(Debug, Default)]
pub struct Chosen {
    /// Why this store was chosen. None if it was given.
    pub why: Option<String>,
    /// The other stores, if nothing decides between them and this one.
    pub rivals: Vec<String>,
}

/// A user of the system.
#[derive(Debug, Clone)]
pub struct ServiceUser {
    /// Its name.
    pub name: String,
    /// Its number.
    pub uid: u32,
}

/// An influxd.
#[derive(Debug, Clone)]
pub struct Installed {
    /// Its release.
    pub release: Release,
    /// Its version and where it is known from, for messages.
    pub what: String,
}

/// Whether it is clear which store is meant.
pub(super) fn which_store(path: &Path, host: &HostFacts) -> Check {
    let shown = text(path);
    let why = host.chosen.why.as_deref();
    let shown_why = why.map_or_else(String::new, |why| format!(" ({why})"));
    if !path.exists() {
        return Check::found(
            "store",
            Verdict::Fail,
            format!(
                "{shown}{shown_why} does not exist, and influxd would create an empty store there"
            ),
            "The data may be in another store.",
            Some(boltkey(&["locate"])),
        );
    }
    if host.chosen.rivals.is_empty() {
        return Check::ok("store", format!("{shown}{shown_why}"));
    }
    Check::found(
        "store",
        Verdict::Warn,
        format!(
            "{shown}{shown_why}, but nothing decides between it and {}",
            host.chosen.rivals.join(", ")
        ),
        "Find out which one influxd uses, and name it with --db.",
        Some(boltkey(&["locate"])),
    )
}

/// Nobody holds the store.
pub(crate) fn no_holder(store: &Store) -> Check {
    match store
        .notices()
        .iter()
        .find(|notice| notice.code == crate::finding::Code::Unlocked)
    {
        Some(notice) => Check::found(
            "lock",
            Verdict::Warn,
            notice.message.clone(),
            "Make sure that influxd is stopped on every host that has this file system.",
            None,
        ),
        None => Check::ok("lock", "no other process holds it"),
    }
}

/// Another process holds the store.
pub(super) fn held(path: &Path, error: &Error) -> Check {
    let holder = holders_of(path).into_iter().next();
    let stop = holder.map(|holder| command("kill", &[&holder.pid.to_string()]));
    Check::found(
        "lock",
        Verdict::Fail,
        error.message(),
        "Stop this process, as a service if it is one, and run boltkey doctor again.",
        stop,
    )
}

/// Whether the service can open the file, and nobody else can read it.
///
/// # Errors
/// When the file can't be read.
pub(crate) fn owner_and_mode(path: &Path, host: &HostFacts) -> Result<Check> {
    let metadata = path.metadata().at("read", path)?;
    let (uid, mode) = (metadata.uid(), metadata.mode() & 0o7777);
    let shown = text(path);
    if let Some(user) = &host.service_user {
        let bits = if uid == user.uid { mode >> 6 } else { mode };
        if user.uid != 0 && bits & 0o6 != 0o6 {
            return Ok(Check::found(
                "file",
                Verdict::Fail,
                format!(
                    "influxd runs as {} and can't open it: its owner is user {uid}, its mode {mode:o}",
                    user.name
                ),
                "Give the file to the user of the service.",
                Some(if uid == user.uid {
                    command("chmod", &["600", &shown])
                } else {
                    command("chown", &[&user.name, &shown])
                }),
            ));
        }
    }
    if mode & 0o044 != 0 {
        return Ok(Check::found(
            "file",
            Verdict::Warn,
            format!(
                "its mode is {mode:o}, so other users can read tokens and password hashes in it"
            ),
            "Let only its owner read it.",
            Some(command("chmod", &["600", &shown])),
        ));
    }
    let of_service = match &host.service_user {
        Some(user) if user.uid == uid => format!(", the user of the service ({})", user.name),
        _ => String::new(),
    };
    Ok(Check::ok(
        "file",
        format!("owner {uid}{of_service}, mode {mode:o}"),
    ))
}
