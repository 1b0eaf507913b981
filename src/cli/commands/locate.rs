//! `boltkey locate`.

use std::io::{self, Write};
use std::path::Path;

use crate::cli::exit::Outcome;
use crate::cli::host::bounded_reads::what_is_at;
use crate::cli::host::discover::{Environment, Influxds};
use crate::cli::host::store_candidates::gather;
use crate::cli::session::Session;
use crate::cli::terminal::report::{Human, printable};
use crate::cli::terminal::wrap::write_wrapped;
use crate::error::Result;
use crate::finding::counted;
use crate::ops::locate::{InUse, Located, LocatedStore, Options, locate};

/// Runs `locate`.
///
/// # Errors
/// When standard output can't be written.
pub fn run(session: &Session) -> Result<Outcome> {
    let environment = Environment::of_process();
    let influxds = Influxds::of(&environment);
    let mut places = gather(&environment, &influxds, session.named());
    places.unseen.extend(session.named().and_then(no_file));
    for sentence in places.warnings.iter().chain(&places.unseen) {
        session.ui().warning(sentence);
    }
    let located = locate(&Options {
        places: places.places,
        would_open: places.would_open,
        owners: places.owners,
        unseen: places.unseen,
    });
    session.ui().report(&located)?;
    Ok(Outcome::Done)
}

/// What is at a path that was named and is no file.
fn no_file(path: &Path) -> Option<String> {
    let why = match what_is_at(path) {
        Ok(there) if there.is_file() => return None,
        Ok(_) => "it is not a regular file".to_owned(),
        Err(cause) => cause.to_string(),
    };
    Some(format!("{} is no database: {why}", path.display()))
}

impl Human for Located {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        match self.stores.len() {
            0 => write_wrapped(
                out,
                "",
                0,
                "no metadata store was found; searched influxd's processes, services and \
                 configuration, home folders, folders of packages and containers, and the working \
                 directory",
            )?,
            number => writeln!(out, "{} found", counted(number as u64, "store"))?,
        }
        for store in &self.stores {
            store.write(out)?;
        }
        if let Some((path, why)) = &self.missing {
            let text = format!(
                "influxd would open {} ({}), where no file exists; it would create an empty store \
                 there",
                printable(path),
                printable(why)
            );
            writeln!(out)?;
            write_wrapped(out, "", 0, &text)?;
        }
        Ok(())
    }
}

impl LocatedStore {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "\n{}", printable(&self.path))?;
        let mut line = |label: &str, text: &str| {
            let label = if label.is_empty() {
                String::new()
            } else {
                format!("{label}:")
            };
            write_wrapped(out, &format!("  {label:<11}"), 13, &printable(text))
        };
        if let Some(why) = &self.would_open_why {
            line("Influxd", &format!("would open this one ({why})"))?;
        }
        let engine = self
            .engine
            .map_or("no engine known", |engine| engine.name());
        line("File", &format!("{engine}, {} bytes", self.size_bytes))?;
        line("Changed", &self.modified)?;
        line("Owner", &self.owner)?;
        if let (Some(users), Some(tokens)) = (self.users, self.tokens) {
            let text = format!("{}, {}", users.of("user"), tokens.of("token"));
            line("Holds", &text)?;
        }
        if let Some(in_use) = &self.in_use_by {
            line("In use", &format!("by {}; not read", holder(in_use)))?;
        }
        if let Some(damage) = &self.damage {
            line("Damage", damage)?;
        }
        if let Some(why) = &self.unread {
            line("Not read", why)?;
        }
        if let Some(why) = &self.abandoned {
            line("Abandoned", &format!("probably: {why}"))?;
        }
        for name in &self.also {
            line("Also", name)?;
        }
        line("Known by", &self.known_by.join("; "))
    }
}

fn holder(in_use: &InUse) -> String {
    match (in_use.pid, &in_use.program) {
        (Some(pid), Some(program)) => format!("{program} (pid {pid})"),
        (Some(pid), None) => format!("the process {pid}"),
        (None, _) => "an unknown process".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Engine;

    fn text(report: &Located) -> String {
        let mut out = Vec::new();
        report.write(&mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn the_report_is_aligned_and_safe() {
        let store = LocatedStore {
            path: "/srv/\u{1b}[31m/influxd.bolt".into(),
            engine: Some(Engine::Bolt),
            size_bytes: 65_536,
            modified: "2026-01-02T03:04:05Z".into(),
            owner: "influxdb".into(),
            users: None,
            tokens: None,
            would_open: true,
            because: "from /etc/influxdb/config.toml".into(),
            in_use_by: Some(InUse {
                pid: Some(7),
                program: Some("influxd".into()),
            }),
            would_open_why: Some("from /etc/influxdb/config.toml".into()),
            also: Vec::new(),
            known_by: vec!["one".into(), "two words ".repeat(12)],
            unread: None,
            damage: None,
            abandoned: None,
        };
        let located = Located {
            stores: vec![store],
            not_read: Vec::new(),
            missing: Some(("/nowhere".into(), "a default path of influxd".into())),
        };
        let text = text(&located);
        assert!(text.starts_with(
            "1 store found\n\n/srv/\\u{1b}[31m/influxd.bolt\n\
             \x20 Influxd:   would open this one (from /etc/influxdb/config.toml)\n\
             \x20 File:      bolt, 65536 bytes\n\
             \x20 Changed:   2026-01-02T03:04:05Z\n\
             \x20 Owner:     influxdb\n\
             \x20 In use:    by influxd (pid 7); not read\n"
        ));
        // Lines are wrapped at a terminal only.
        assert!(
            text.contains(&format!("one; {}", "two words ".repeat(12).trim_end())),
            "{text}"
        );
        assert!(
            text.contains("\ninfluxd would open /nowhere (a default path of influxd), where"),
            "{text}"
        );
        let json = serde_json::to_value(&located).unwrap();
        assert_eq!(
            json["stores"][0],
            serde_json::json!({
                "path": "/srv/\u{1b}[31m/influxd.bolt", "engine": "bolt", "sizeBytes": 65536,
                "modified": "2026-01-02T03:04:05Z", "owner": "influxdb", "users": null,
                "tokens": null, "wouldOpen": true,
                "because": "from /etc/influxdb/config.toml",
                "inUseBy": {"pid": 7, "program": "influxd"},
            })
        );
    }

    #[test]
    fn nothing_found_is_said() {
        let located = Located {
            stores: Vec::new(),
            not_read: vec!["/x".into()],
            missing: None,
        };
        assert!(text(&located).starts_with("no metadata store was found"));
        let json = serde_json::to_value(&located).unwrap();
        assert_eq!(json, serde_json::json!({"stores": [], "notRead": ["/x"]}));
    }
}
