//! The releases of InfluxDB OSS 2: the schema of each, and its support for tokens.
//!
//! Sources: `kv/migration/all`, `sqlite/migrations`, `authz.go` and `cmd/influxd/downgrade` at the
//! releases' tags.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

use crate::metadata::migration::HASHING;
use crate::metadata::permission::{INSTANCE, RESOURCE_TYPES, TYPES_OF_2_0, TYPES_OF_2_1};

/// A release, by the number after `2.`; its patches share the schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Release(u8);

/// The migrations of the SQLite file, by number from 1, as recorded in it.
pub const SQL_MIGRATIONS: [&str; 8] = [
    "0001_create_migrations_table",
    "0002_create_notebooks_table",
    "0003_create_annotations_tables",
    "0004_create_remotes_table",
    "0005_create_replications_table",
    "0006_migrate_replications_foreign_key",
    "0007_migrate_replications_add_bucket_name",
    "0008_migrate_remotes_null_remote_org",
];

impl Release {
    /// All known releases, oldest first.
    pub const ALL: [Self; 10] = [
        Self(0),
        Self(1),
        Self(2),
        Self(3),
        Self(4),
        Self(5),
        Self(6),
        Self(7),
        Self(8),
        Self(9),
    ];
    /// Their names, in the same order.
    pub const NAMES: [&str; 10] = [
        "2.0", "2.1", "2.2", "2.3", "2.4", "2.5", "2.6", "2.7", "2.8", "2.9",
    ];
    /// The first release that hashes tokens by default.
    pub const HASHING_BY_DEFAULT: Self = Self(9);
    /// The releases for which a new store can be made.
    pub const OF_NEW_STORES: [Self; 3] = [Self(7), Self(8), Self(9)];
    /// The newest release.
    pub const NEWEST: Self = Self(9);
    /// The oldest release for which InfluxDB recommends a direct downgrade.
    pub const RECOMMENDED: Self = Self(7);

    /// The number of the last migration of the database that it knows.
    #[must_use]
    pub fn migrations(self) -> u64 {
        match self.0 {
            0 => 15,
            1 => 18,
            2 => 19,
            3..=7 => 20,
            _ => HASHING,
        }
    }

    /// The number of the last migration of the SQLite file that it knows; 0 when it has none.
    #[must_use]
    pub fn sql_migrations(self) -> u64 {
        match self.0 {
            0 => 0,
            1 => 3,
            2 | 3 => 5,
            4 => 7,
            _ => 8,
        }
    }

    /// Whether it lacks migrations of the SQLite file.
    #[must_use]
    pub fn has_older_sql(self) -> bool {
        self.sql_migrations() < SQL_MIGRATIONS.len() as u64
    }

    /// Whether it supports hashed tokens.
    #[must_use]
    pub fn knows_hashes(self) -> bool {
        self.migrations() >= HASHING
    }

    /// Whether it stores the tokens of a new store as hashes, unless it is configured otherwise.
    #[must_use]
    pub fn hashes_by_default(self) -> bool {
        self >= Self::HASHING_BY_DEFAULT
    }

    /// The resource types that it knows.
    #[must_use]
    pub fn resource_types(self) -> &'static [&'static str] {
        let types = match self.0 {
            0 => TYPES_OF_2_0,
            1 => TYPES_OF_2_1,
            2 | 3 => RESOURCE_TYPES.len() - 1,
            _ => RESOURCE_TYPES.len(),
        };
        RESOURCE_TYPES.get(..types).unwrap_or(&RESOURCE_TYPES)
    }

    /// Whether a permission of this type works on newer releases but not on this one.
    #[must_use]
    pub fn lacks_type(self, kind: &str) -> bool {
        RESOURCE_TYPES.contains(&kind) && !self.resource_types().contains(&kind)
    }

    /// Whether it has the type `instance`.
    #[must_use]
    pub fn knows_instance(self) -> bool {
        self.resource_types().contains(&INSTANCE)
    }

    /// The target for `influxd downgrade` so that this release starts: the newest target that this
    /// release can open and migrate again.
    #[must_use]
    pub fn downgrade_target(self) -> Self {
        match self.0 {
            0 | 1 | 3 | 4 => self,
            2 => Self(1),
            _ => Self(4),
        }
    }
}

impl fmt::Display for Release {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = Self::NAMES.get(usize::from(self.0));
        f.write_str(name.copied().unwrap_or_default())
    }
}

impl FromStr for Release {
    type Err = String;

    /// A release such as `2.7`, or one of its patches, such as `2.7.12` or `v2.7.12`.
    fn from_str(text: &str) -> Result<Self, String> {
        let bare = text.strip_prefix('v').unwrap_or(text);
        let is_patch = |patch: &str| {
            (1..=3).contains(&patch.len()) && patch.bytes().all(|digit| digit.is_ascii_digit())
        };
        Self::ALL
            .into_iter()
            .find(|release| {
                let rest = bare.strip_prefix(&release.to_string());
                rest.is_some_and(|rest| {
                    rest.is_empty() || rest.strip_prefix('.').is_some_and(is_patch)
                })
            })
            .ok_or_else(|| {
                String::from(
                    "expected a release from 2.0 to 2.9, with or without a patch number, such as \
                     2.7 or 2.7.12",
                )
            })
    }
}

impl Serialize for Release {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
impl schemars::JsonSchema for Release {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Release".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "description": "A release of InfluxDB, without patch number: 2.0 to 2.9.",
            "type": "string",
            "pattern": "^2\\.[0-9]$"
        })
    }
}

/// The schema of an SQLite file according to its records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SqlSchema {
    /// Exactly the first migrations up to this number were applied.
    Known(u64),
    /// A migration that is unknown or out of order: no known release starts on it.
    Unknown(String),
}

impl SqlSchema {
    /// The schema for the names of the applied migrations, in order.
    #[must_use]
    pub fn of(names: &[String]) -> Self {
        let mut known = SQL_MIGRATIONS.iter();
        match names
            .iter()
            .find(|name| known.next() != Some(&name.as_str()))
        {
            Some(name) => Self::Unknown(name.clone()),
            None => Self::Known(names.len() as u64),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schemas_of_all_releases() {
        let table = [
            ("2.0", 15, 0, 18, "2.0"),
            ("2.1", 18, 3, 20, "2.1"),
            ("2.2", 19, 5, 22, "2.1"),
            ("2.3", 20, 5, 22, "2.3"),
            ("2.4", 20, 7, 23, "2.4"),
            ("2.5", 20, 8, 23, "2.4"),
            ("2.6", 20, 8, 23, "2.4"),
            ("2.7", 20, 8, 23, "2.4"),
            ("2.8", 21, 8, 23, "2.4"),
            ("2.9", 21, 8, 23, "2.4"),
        ];
        assert_eq!(Release::ALL.len(), table.len());
        for (text, migrations, sql, types, target) in table {
            let release: Release = text.parse().unwrap();
            assert_eq!(release.to_string(), text);
            assert_eq!(release.migrations(), migrations, "{text}");
            assert_eq!(release.sql_migrations(), sql, "{text}");
            assert_eq!(release.resource_types().len(), types, "{text}");
            assert_eq!(release.downgrade_target().to_string(), target, "{text}");
            assert_eq!(release.knows_hashes(), migrations == 21, "{text}");
            assert_eq!(release.has_older_sql(), text < "2.5", "{text}");
        }
        for patch in ["2.7.0", "2.7.12", "v2.7.12", "v2.7"] {
            assert_eq!(patch.parse::<Release>().unwrap().to_string(), "2.7");
        }
        let wrong = [
            "", "2", "2.", "2.10", "3.0", "2.07", "2.7.", "2.7.x", "2.7.1.2", "2.7.1234", "vv2.7",
        ];
        for text in wrong {
            assert!(text.parse::<Release>().is_err(), "{text}");
        }
    }

    #[test]
    fn types_that_came_later() {
        let release = |text: &str| text.parse::<Release>().unwrap();
        assert!(release("2.0").lacks_type("notebooks"));
        assert!(!release("2.1").lacks_type("notebooks"));
        assert!(release("2.1").lacks_type("remotes"));
        assert!(release("2.3").lacks_type("instance"));
        assert!(!release("2.4").lacks_type("instance"));
        // An unknown type has no effect in any release.
        assert!(!release("2.0").lacks_type("flows"));
    }

    #[test]
    fn the_schema_of_an_sqlite_file() {
        let names = |count: usize| -> Vec<String> {
            let names = SQL_MIGRATIONS.iter().take(count);
            names.map(ToString::to_string).collect()
        };
        for count in 0..=8 {
            assert_eq!(SqlSchema::of(&names(count)), SqlSchema::Known(count as u64));
        }
        let mut newer = names(8);
        newer.push("0009_new".into());
        assert_eq!(SqlSchema::of(&newer), SqlSchema::Unknown("0009_new".into()));
        let mut gap = names(5);
        gap.remove(2);
        assert_eq!(
            SqlSchema::of(&gap),
            SqlSchema::Unknown(SQL_MIGRATIONS[3].into())
        );
    }
}
