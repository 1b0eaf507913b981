//! Ownerships, and their index by user.

use crate::error::Result;
use crate::finding::Code;
use crate::metadata::check::expected::Expected;
use crate::metadata::check::index::Index;
use crate::metadata::check::{Checker, text};
use crate::metadata::{mapping, names};

impl Checker<'_> {
    pub(super) fn mappings(&mut self) -> Result<()> {
        let (mappings, skipped) = mapping::load(self.snapshot)?;
        self.skipped(skipped);
        let mut expected = Expected::<[u8; 32]>::default();
        for mapping in &mappings {
            let key = mapping.key();
            let at = format!("{}/{key}", text(names::MAPPINGS));
            if self.is_user_gone(mapping.user_id) {
                self.add(
                    Code::MappingUserGone,
                    &*at,
                    format!("its user {} was deleted", mapping.user_id),
                );
            }
            if mapping.resource_type == "orgs" && self.is_org_gone(mapping.resource_id) {
                let message = format!("its organization {} was deleted", mapping.resource_id);
                self.add(Code::MappingOrgGone, at, message);
            }
            let entry = format!("{}/{key}", mapping.user_id);
            if let Ok(key) = key.as_bytes().try_into() {
                expected.expect(entry.as_bytes(), key);
            }
        }
        let undecodable = self.undecodable.clone();
        let index = Index {
            bucket: names::MAPPINGS_BY_USER,
            target: |value| value.try_into().ok(),
            place: &|key, _| format!("{}/{}", text(names::MAPPINGS_BY_USER), text(key)),
            elsewhere: None,
            dangling: &|target: Option<[u8; 32]>| {
                let record = target.map(|key| format!("{}/{}", text(names::MAPPINGS), text(&key)));
                let decodable = record.is_none_or(|record| !undecodable.contains(&record));
                decodable.then(|| {
                    let message = "no ownership record exists for this entry";
                    (Code::MappingIndexDangling, message.into())
                })
            },
            absent: &|key: [u8; 32]| {
                let place = format!("{}/{}", text(names::MAPPINGS), text(&key));
                let message = "it has no entry by user, so that user's login does not get it";
                (place, (Code::MappingIndexAbsent, message.into()))
            },
            key: &|_| None,
        };
        self.compare_index(&index, expected)
    }
}
