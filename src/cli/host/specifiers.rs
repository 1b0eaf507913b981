//! The specifiers of systemd in unit files, such as `%h`.

use std::path::Path;

use crate::cli::host::users::{User, home_of};

/// The letters that systemd replaces. It leaves all others as they are.
const KNOWN: &str = "aAbBCdDEfgGhHiIjJlLmMnNopPqsStTuUvVwWyY";

/// What the specifiers of one unit stand for.
pub(super) struct Specifiers {
    /// The name of the unit, such as `influxdb@main.service`.
    name: String,
    /// The home folder of root, who runs the service manager.
    home: Option<String>,
}

impl Specifiers {
    /// Those of a system unit.
    pub fn of(name: &str, root: &Path, users: &[User]) -> Self {
        let home = home_of(users, 0);
        let home = home
            .as_deref()
            .map(|home| home.strip_prefix(root).unwrap_or(home));
        let home = home.and_then(Path::to_str);
        Self {
            name: name.to_owned(),
            home: home.map(|home| format!("/{}", home.trim_start_matches('/'))),
        }
    }

    /// The text with its specifiers replaced. The error has the first one that only systemd knows.
    pub fn replaced(&self, text: &str) -> Result<String, String> {
        let mut parts = text.split('%');
        let mut result = parts.next().unwrap_or_default().to_owned();
        while let Some(part) = parts.next() {
            let mut rest = part.chars();
            let Some(letter) = rest.next() else {
                // Two of them stand for one. At the end, one stays.
                result.push('%');
                result.push_str(parts.next().unwrap_or_default());
                continue;
            };
            match self.value(letter) {
                Some(value) => result.push_str(&value),
                None if KNOWN.contains(letter) => return Err(format!("%{letter}")),
                None => {
                    result.push('%');
                    result.push(letter);
                }
            }
            result.push_str(rest.as_str());
        }
        Ok(result)
    }

    fn value(&self, letter: char) -> Option<String> {
        let full = self
            .name
            .rsplit_once('.')
            .map_or(&*self.name, |(full, _)| full);
        let (prefix, instance) = full.split_once('@').unwrap_or((full, ""));
        let last = |text: &str| text.rsplit('-').next().unwrap_or_default().to_owned();
        Some(match letter {
            'n' => self.name.clone(),
            'N' => full.to_owned(),
            'p' => prefix.to_owned(),
            'P' => unescaped(prefix)?,
            'i' => instance.to_owned(),
            'I' => unescaped(instance)?,
            'j' => last(prefix),
            'J' => unescaped(&last(prefix))?,
            'f' => {
                let path = if instance.is_empty() {
                    prefix
                } else {
                    instance
                };
                format!("/{}", unescaped(path)?.trim_start_matches('/'))
            }
            'h' => self.home.clone()?,
            'u' | 'g' => String::from("root"),
            'U' | 'G' => String::from("0"),
            'S' => String::from("/var/lib"),
            'C' => String::from("/var/cache"),
            'L' => String::from("/var/log"),
            'E' => String::from("/etc"),
            't' => String::from("/run"),
            'T' => String::from("/tmp"),
            'V' => String::from("/var/tmp"),
            _ => return None,
        })
    }
}

/// A name of a unit as text: `-` stands for `/`, and `\x2d` for `-`.
fn unescaped(name: &str) -> Option<String> {
    let mut bytes = Vec::new();
    let mut rest = name;
    while let Some(letter) = rest.chars().next() {
        if let Some(escape) = rest.strip_prefix("\\x") {
            let digits = escape.get(..2)?;
            bytes.push(u8::from_str_radix(digits, 16).ok()?);
            rest = escape.get(2..)?;
            continue;
        }
        let (first, others) = rest.split_at(letter.len_utf8());
        bytes.extend(if letter == '-' { "/" } else { first }.as_bytes());
        rest = others;
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn specifiers_are_replaced() {
        let users = [User {
            name: "root".into(),
            uid: 0,
            home: "/host/root".into(),
        }];
        let of = |name: &str| Specifiers::of(name, Path::new("/host"), &users);
        let plain = of("influx-db.service");
        for (text, wanted) in [
            ("/data/i.bolt", "/data/i.bolt"),
            ("%h/i.bolt", "/root/i.bolt"),
            (
                "%S/%p/%N/%n",
                "/var/lib/influx-db/influx-db/influx-db.service",
            ),
            ("%E%t%T%V%C%L", "/etc/run/tmp/var/tmp/var/cache/var/log"),
            ("a%%b%%%%c%", "a%b%%c%"),
            ("%i%I|%j|%u%U", "|db|root0"),
            ("%z%ü%", "%z%ü%"),
        ] {
            assert_eq!(plain.replaced(text).as_deref(), Ok(wanted), "{text}");
        }
        let instance = of(r"influxdb@data-fast\x2done.service");
        for (text, wanted) in [
            ("%i %I", r"data-fast\x2done data/fast-one"),
            (
                "%f|%p|%N",
                r"/data/fast-one|influxdb|influxdb@data-fast\x2done",
            ),
        ] {
            assert_eq!(instance.replaced(text).as_deref(), Ok(wanted), "{text}");
        }
        assert_eq!(plain.replaced("/d/%m/%b"), Err("%m".into()));
        assert_eq!(of(r"i@\xq.service").replaced("%I"), Err("%I".into()));
        let nobody = Specifiers::of("a.service", Path::new("/"), &[]);
        assert_eq!(nobody.replaced("%h"), Err("%h".into()));
    }
}
