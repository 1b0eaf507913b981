//! Organizations and users whose records are lost, although other records need them. They are made
//! again under their old IDs: without them buckets can't be reached, and tokens are refused.

use std::collections::BTreeMap;

use crate::error::Result;
use crate::metadata::json::Object;
use crate::metadata::new_records::{put_org, put_user};
use crate::metadata::salvage::Records;
use crate::metadata::salvage::links::{id, text};
use crate::metadata::salvage::rebuild::{Lost, Rebuilt, lost};
use crate::metadata::{Id, names};
use crate::store::{ChangeSet, Snapshot};

/// Who needs an organization or user.
#[derive(Default)]
struct Needs {
    /// Records that are removed together with it.
    certain: u64,
    /// Authorizations, which stay when it is deleted.
    tokens: u64,
}

impl Records {
    /// Makes organizations and users again that records in use need. Of a deleted one only
    /// authorizations are left, so these alone are no reason, unless deleted records are taken too, or
    /// no user is left.
    pub(super) fn owners(&self, rebuilt: &mut Rebuilt, utc: &str) -> Result<()> {
        let (mut orgs, mut users) = (BTreeMap::new(), BTreeMap::new());
        let need = |of: &mut BTreeMap<Id, Needs>, id: Option<Id>, certain: bool| {
            if let Some(id) = id {
                let needs = of.entry(id).or_default();
                *match certain {
                    true => &mut needs.certain,
                    false => &mut needs.tokens,
                } += 1;
            }
        };
        for (bucket, certain) in [
            (names::AUTHORIZATIONS, false),
            (names::BUCKETS, true),
            (names::MAPPINGS, true),
        ] {
            let found = self.buckets.get(bucket).into_iter();
            for version in found.flat_map(|found| found.pairs.values()) {
                let Some(object) = Object::parse(&version.value) else {
                    continue;
                };
                let certain = certain && version.is_certain(self.base);
                need(&mut orgs, id(&object, "orgID"), certain);
                need(&mut users, id(&object, "userID"), certain);
                if text(&object, "resourceType") == "orgs" {
                    need(&mut orgs, id(&object, "resourceID"), certain);
                }
            }
        }
        let found = self.buckets.get(names::USER_PASSWORDS).into_iter();
        for (key, version) in found.flat_map(|found| &found.pairs) {
            let user = Id::from_bytes(key).ok();
            need(&mut users, user, version.is_certain(self.base));
        }
        self.make(
            rebuilt,
            names::ORGANIZATIONS,
            names::ORGANIZATION_INDEX,
            orgs,
            utc,
        )?;
        self.make(rebuilt, names::USERS, names::USER_INDEX, users, utc)
    }

    fn make(
        &self,
        rebuilt: &mut Rebuilt,
        bucket: &'static [u8],
        index: &'static [u8],
        mut needed: BTreeMap<Id, Needs>,
        utc: &str,
    ) -> Result<()> {
        let mut known: BTreeMap<Id, String> = BTreeMap::new();
        if let Some(entries) = self.indexes.get(index) {
            for (key, version) in &entries.pairs {
                let name = String::from_utf8_lossy(key).into_owned();
                if let Ok(id) = Id::from_bytes(&version.value) {
                    if !version.doubtful {
                        needed.entry(id).or_default().certain += 1;
                    }
                    known.insert(id, name);
                }
            }
        }
        let what = match bucket {
            names::USERS => "user",
            _ => "organization",
        };
        // A store without any user can be set up by anybody who reaches the server.
        let found = self.buckets.get(bucket);
        let none_found = bucket == names::USERS && found.is_none_or(|found| found.pairs.is_empty());
        let mut changes = ChangeSet::default();
        for (id, needs) in needed {
            let key = id.to_string();
            let there = rebuilt.content.get(bucket, key.as_bytes())?.is_some();
            let found = self.buckets.get(bucket);
            // A tree that is complete says that it was deleted.
            let deleted = found.is_some_and(|found| found.cover.covers(key.as_bytes()));
            if there || deleted {
                continue;
            }
            let told = |reason: String| Lost {
                id: Some(key.clone()),
                name: known.get(&id).cloned(),
                ..lost(bucket, reason)
            };
            if needs.certain == 0 && !self.lenient && !none_found {
                rebuilt.lost.push(told(format!(
                    "the {what} can't be found, and {} of it can't be used; it may have been deleted \
                     before. --lenient makes it again",
                    crate::finding::counted(needs.tokens, "token")
                )));
                continue;
            }
            let name = match known.get(&id) {
                Some(name) => name.clone(),
                None => format!("recovered-{id}"),
            };
            match bucket {
                names::USERS => put_user(&mut changes, id, &name),
                _ => put_org(&mut changes, id, &name, utc),
            }
            rebuilt.made.owners += 1;
            rebuilt.lost.push(told(match bucket {
                names::USERS => format!(
                    "the user is made again as {name:?}; whether it was active, or deleted before, \
                     is not known: it is active now"
                ),
                _ => format!("the organization is made again as {name:?}; its description is lost"),
            }));
        }
        rebuilt.commit(&changes)
    }
}
