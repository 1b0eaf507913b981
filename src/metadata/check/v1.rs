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
        let mut gone = Vec::new();
        let skipped =
            authorization::scan(self.snapshot, names::LEGACY_AUTHORIZATIONS, &mut |record| {
                expected.expect(record.token.as_bytes(), record.id);
                ids.insert(record.id);
                let at = || place(names::LEGACY_AUTHORIZATIONS, record.id);
                if let Some(id) = record.user_id.filter(|id| self.is_user_gone(*id)) {
                    let message = format!("its user {id} was deleted");
                    gone.push((Code::V1UserGone, at(), message));
                }
                if self.is_org_gone(record.org_id) {
                    let message = format!("its organization {} was deleted", record.org_id);
                    gone.push((Code::V1OrgGone, at(), message));
                }
            })?;
        self.skipped(skipped);
        for (code, place, message) in gone {
            self.add(code, place, message);
        }
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
