//! Finds users, organizations and buckets by name. Like influxd, it uses only the index. It also
//! reports where the records disagree with the index.

use std::collections::BTreeMap;
use std::fmt;

use crate::metadata::name_index::{Entry, NameIndex, bucket_key, org_key, user_key};
use crate::metadata::{Bucket, Catalog, Id, Organization, User, names};

/// A record that has a name.
pub trait Named {
    /// The kind of record, for messages.
    const WHAT: &'static str;
    /// The bucket of the store with the index of the names.
    const INDEX: &'static [u8];
    /// Its ID.
    fn id(&self) -> Id;
    /// The name in its record.
    fn name(&self) -> &str;
    /// The key that its entry should have.
    fn key(&self) -> Vec<u8>;
}

impl Named for User {
    const WHAT: &'static str = "user";
    const INDEX: &'static [u8] = names::USER_INDEX;
    fn id(&self) -> Id {
        self.id
    }
    fn name(&self) -> &str {
        &self.name
    }
    fn key(&self) -> Vec<u8> {
        user_key(&self.name)
    }
}

impl Named for Organization {
    const WHAT: &'static str = "organization";
    const INDEX: &'static [u8] = names::ORGANIZATION_INDEX;
    fn id(&self) -> Id {
        self.id
    }
    fn name(&self) -> &str {
        &self.name
    }
    fn key(&self) -> Vec<u8> {
        org_key(&self.name)
    }
}

impl Named for Bucket {
    const WHAT: &'static str = "bucket";
    const INDEX: &'static [u8] = names::BUCKET_INDEX;
    fn id(&self) -> Id {
        self.id
    }
    fn name(&self) -> &str {
        &self.name
    }
    fn key(&self) -> Vec<u8> {
        bucket_key(self.org_id, &self.name)
    }
}

/// What a name leads to.
#[derive(Debug)]
pub enum Lookup<'c, T> {
    /// The record that influxd finds. It has that name.
    Found(&'c T),
    /// There is no entry and no record.
    Nobody,
    /// These records have the name, but there is no entry, so influxd does not find them.
    NoEntry(Vec<&'c T>),
    /// The entry leads to no record, so the name is blocked. Records may still have the name.
    Blocked {
        /// The target of the entry; none if the value is not an ID.
        to: Option<Id>,
        /// The records with the name, which influxd does not find.
        records: Vec<&'c T>,
    },
    /// The entry leads to a record with another name. influxd uses that one.
    Elsewhere {
        /// The record that influxd uses.
        to: &'c T,
        /// The records with the name, which influxd does not find.
        records: Vec<&'c T>,
    },
}

/// Looks a key up as influxd does.
pub(crate) fn look<'c, T: Named>(
    records: &'c BTreeMap<Id, T>,
    index: &NameIndex,
    key: &[u8],
) -> Lookup<'c, T> {
    let same_name = || -> Vec<&'c T> {
        let records = records.values();
        records.filter(|record| record.key() == key).collect()
    };
    match index.entry(key) {
        Entry::To(id) => match records.get(&id) {
            Some(record) if record.key() == key => Lookup::Found(record),
            Some(to) => Lookup::Elsewhere {
                to,
                records: same_name(),
            },
            None => Lookup::Blocked {
                to: Some(id),
                records: same_name(),
            },
        },
        Entry::Invalid => Lookup::Blocked {
            to: None,
            records: same_name(),
        },
        entry => match (entry, same_name().as_slice()) {
            (_, []) => Lookup::Nobody,
            // The entry may be in the damaged part of the index.
            (Entry::Unknown, [only]) => Lookup::Found(only),
            (_, records) => Lookup::NoEntry(records.to_vec()),
        },
    }
}

impl Catalog {
    /// The user whom influxd finds by this name.
    #[must_use]
    pub fn user_by_name(&self, name: &str) -> Lookup<'_, User> {
        look(&self.users, &self.indexes.users, &user_key(name))
    }

    /// The organization that influxd finds by this name, ignoring white space at its start and end.
    #[must_use]
    pub fn org_by_name(&self, name: &str) -> Lookup<'_, Organization> {
        look(&self.orgs, &self.indexes.orgs, &org_key(name))
    }

    /// The bucket that influxd finds by this name in an organization.
    #[must_use]
    pub fn bucket_by_name(&self, org: Id, name: &str) -> Lookup<'_, Bucket> {
        let key = bucket_key(org, name);
        look(&self.buckets, &self.indexes.buckets, &key)
    }
}

impl<'c, T: Named> Lookup<'c, T> {
    /// The record, if record and index agree.
    #[must_use]
    pub fn found(&self) -> Option<&'c T> {
        match self {
            Self::Found(record) => Some(record),
            _ => None,
        }
    }

    /// Whether the name is free for a new record.
    #[must_use]
    pub fn is_free(&self) -> bool {
        matches!(self, Self::Nobody)
    }

    /// How record and index disagree, if they do. A sentence without a full stop.
    #[must_use]
    pub fn problem(&self) -> Option<String> {
        let index = String::from_utf8_lossy(T::INDEX);
        match self {
            Self::Found(_) | Self::Nobody => None,
            Self::NoEntry(records) => Some(format!(
                "{} {} this name, but {index} has no entry for it, so influxd does not find it by \
                 name",
                Ids(records),
                if records.len() == 1 { "has" } else { "have" },
            )),
            Self::Blocked { to, records } => {
                let target = match to {
                    Some(id) => format!("leads to {} {id}, which has no readable record", T::WHAT),
                    None => String::from("contains no ID"),
                };
                let consequence = match records.as_slice() {
                    [] => String::from("the name is blocked"),
                    records => format!("influxd does not find {}, which has it", Ids(records)),
                };
                Some(format!(
                    "the entry of this name in {index} {target}; {consequence}"
                ))
            }
            Self::Elsewhere { to, .. } => Some(format!(
                "the entry of this name in {index} leads to {} {:?} ({}), so influxd uses \
                 that one",
                T::WHAT,
                to.name(),
                to.id()
            )),
        }
    }
}

/// Shows records by their IDs.
struct Ids<'a, 'c, T>(&'a [&'c T]);

impl<T: Named> fmt::Display for Ids<'_, '_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(T::WHAT)?;
        for (number, record) in self.0.iter().enumerate() {
            let before = if number == 0 { " " } else { " and " };
            write!(f, "{before}{}", record.id())?;
        }
        Ok(())
    }
}

/// The names by which a login finds its user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LoginName {
    /// The user's own name.
    Own,
    /// Only these names, which lead to the user in the index.
    Others(Vec<String>),
    /// No name, for this reason.
    None(String),
    /// Unknown: a part of the index can't be read.
    Unknown,
}

impl LoginName {
    /// The text for reports; none if the own name leads to the user.
    #[must_use]
    pub fn explanation(&self) -> Option<String> {
        match self {
            Self::Own => None,
            Self::Others(names) => {
                let names: Vec<String> = names.iter().map(|name| format!("{name:?}")).collect();
                Some(format!("signs in as {}", names.join(" or ")))
            }
            Self::None(why) => Some(why.clone()),
            Self::Unknown => Some(format!(
                "a part of {} can't be read",
                String::from_utf8_lossy(names::USER_INDEX)
            )),
        }
    }
}

/// Finds out by which names logins find the users of a catalog.
pub struct LoginNames<'c> {
    catalog: &'c Catalog,
    keys: BTreeMap<Id, Vec<&'c [u8]>>,
}

impl<'c> LoginNames<'c> {
    /// Prepares this for all users.
    #[must_use]
    pub fn new(catalog: &'c Catalog) -> Self {
        Self {
            catalog,
            keys: catalog.indexes.users.keys_by_id(),
        }
    }

    /// The names by which a login finds this user.
    #[must_use]
    pub fn of(&self, user: &User) -> LoginName {
        let key = user.key();
        let entry = self.catalog.indexes.users.entry(&key);
        if entry == Entry::To(user.id) {
            return LoginName::Own;
        }
        if let Some(keys) = self.keys.get(&user.id) {
            let names = keys.iter().map(|key| String::from_utf8_lossy(key).into());
            return LoginName::Others(names.collect());
        }
        let index = String::from_utf8_lossy(names::USER_INDEX);
        LoginName::None(match entry {
            Entry::Unknown => return LoginName::Unknown,
            Entry::Absent => {
                format!("{index} has no entry for this name, so influxd does not find the user")
            }
            Entry::Invalid => format!("the entry of this name in {index} contains no ID"),
            Entry::To(id) => match self.catalog.users.get(&id) {
                None => format!(
                    "the entry of this name in {index} leads to user {id}, which has no readable \
                     record"
                ),
                Some(other) if other.name == user.name => {
                    format!("user {id} has the same name, and {index} leads to that one")
                }
                Some(other) => format!(
                    "the entry of this name in {index} leads to user {:?} ({id})",
                    other.name
                ),
            },
        })
    }
}
