//! Users, organizations and buckets, and the indexes of their names.

use crate::error::Result;
use crate::finding::Code;
use crate::metadata::check::expected::Expected;
use crate::metadata::check::index::Index;
use crate::metadata::check::{Checker, place, text};
use crate::metadata::{Id, names};

impl Checker<'_> {
    /// Users, organizations and buckets against their indexes by name.
    pub(super) fn names(&mut self) -> Result<()> {
        let users = self.catalog.users.values();
        let users: Vec<_> = users.map(|u| (u.name.clone().into_bytes(), u.id)).collect();
        let orgs = self.catalog.orgs.values();
        let orgs: Vec<_> = orgs.map(|o| (o.name.trim().into(), o.id)).collect();
        let buckets: Vec<_> = self
            .catalog
            .buckets
            .values()
            .map(|bucket| {
                let key = format!("{}{}", bucket.org_id, bucket.name);
                (key.into_bytes(), bucket.id)
            })
            .collect();
        self.name_index(names::USERS, names::USER_INDEX, users)?;
        self.name_index(names::ORGANIZATIONS, names::ORGANIZATION_INDEX, orgs)?;
        self.name_index(names::BUCKETS, names::BUCKET_INDEX, buckets)?;
        for bucket in [names::USERS, names::ORGANIZATIONS, names::BUCKETS] {
            self.keys_of(bucket)?;
        }
        Ok(())
    }

    fn name_index(
        &mut self,
        records: &'static [u8],
        bucket: &'static [u8],
        entries: Vec<(Vec<u8>, Id)>,
    ) -> Result<()> {
        let mut expected = Expected::default();
        for (key, id) in &entries {
            expected.expect(key, *id);
        }
        let undecodable = self.undecodable.clone();
        let index = Index {
            bucket,
            target: |value| Id::from_bytes(value).ok(),
            place: &|key, _| format!("{}/{}", text(bucket), text(key)),
            elsewhere: Some(&|id| {
                let message = format!("the entry should lead to {id}");
                (Code::IndexElsewhere, message)
            }),
            dangling: &|target| {
                let decodable = target.is_none_or(|id| !undecodable.contains(&place(records, id)));
                decodable.then(|| {
                    let message = format!(
                        "no record in {} has this name, but the name can't be used again",
                        text(records)
                    );
                    (Code::IndexDangling, message)
                })
            },
            absent: &|id| {
                let message = format!(
                    "it has no entry in {}, so influxd does not find it by name",
                    text(bucket)
                );
                (place(records, id), (Code::IndexAbsent, message))
            },
            key: &|_| None,
        };
        self.compare_index(&index, expected)
    }
}
