//! 1.x-compatible authorizations, their index and their passwords.

use std::collections::BTreeSet;

use crate::error::Result;
use crate::finding::Code;
use crate::metadata::check::expected::Expected;
use crate::metadata::check::index::Index;
use crate::metadata::check::{Checker, place, text};
use crate::metadata::{Id, authorization, names};

impl Checker<'_> {
    pub(super) fn v1_authorizations(&mut self) -> Result<()> {
        let mut expected = Expected::default();
        let mut ids = BTreeSet::new();
        let skipped =
            authorization::scan(self.snapshot, names::LEGACY_AUTHORIZATIONS, &mut |record| {
                expected.expect(record.token.as_bytes(), record.id);
                ids.insert(record.id);
            })?;
        self.skipped(skipped);
        let undecodable = self.undecodable.clone();
        let index = Index {
            bucket: names::LEGACY_AUTHORIZATION_INDEX,
            target: |value| Id::from_bytes(value).ok(),
            place: &|key, _| format!("{}/{}", text(names::LEGACY_AUTHORIZATION_INDEX), text(key)),
            elsewhere: None,
            dangling: &|target| {
                let decodable = target.is_none_or(|id| {
                    !undecodable.contains(&place(names::LEGACY_AUTHORIZATIONS, id))
                });
                decodable.then(|| {
                    let message = "no 1.x-compatible authorization has this user name and ID";
                    (Code::V1IndexDangling, message.into())
                })
            },
            absent: &|id| {
                let message = "its 1.x user name has no index entry, so it does not authenticate";
                let told = (Code::V1IndexAbsent, message.into());
                (place(names::LEGACY_AUTHORIZATIONS, id), told)
            },
            key: &|_| None,
        };
        self.compare_index(&index, expected)?;
        let (passwords, whole) = self.pairs(names::LEGACY_PASSWORDS)?;
        for (key, _) in passwords {
            if let Ok(id) = Id::from_bytes(&key) {
                ids.remove(&id);
            }
        }
        for id in ids.into_iter().filter(|_| whole) {
            self.add(
                Code::V1PasswordAbsent,
                place(names::LEGACY_AUTHORIZATIONS, id),
                "no password is set, so nobody can use it",
            );
        }
        Ok(())
    }
}
