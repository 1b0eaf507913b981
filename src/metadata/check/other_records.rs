//! Records of other kinds: dashboards, checks, telegraf configurations, secrets and so on. influxd
//! starts if one can't be decoded, but it can't show the record or the list that contains it.

use std::ops::ControlFlow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::error::Result;
use crate::finding::{Code, Finding};
use crate::metadata::check::{Checker, MOST_OF_A_CODE, text};
use crate::metadata::go_json::{self, Field, Kind};
use crate::metadata::names;

const ID: &[Field] = &[("id", Kind::Id)];
const TIMED: &[Field] = &[
    ("id", Kind::Id),
    ("createdAt", Kind::Time),
    ("updatedAt", Kind::Time),
];

/// Buckets of JSON records, with the fields that influxd decodes.
const BUCKETS: &[(&[u8], &[Field])] = &[
    (names::SOURCES, ID),
    (b"scraperv2", ID),
    (b"dashboardsv2", ID),
    (b"dashboardcellviewsv1", ID),
    (b"checksv1", TIMED),
    (b"notificationEndpointv1", TIMED),
    (b"notificationRulev1", TIMED),
    (b"telegrafv1", ID),
    (b"telegrafPluginsv1", &[]),
    (b"variablesv1", TIMED),
    (b"labelsv1", ID),
    (
        b"labelmappingsv1",
        &[("labelID", Kind::Id), ("resourceID", Kind::Id)],
    ),
    (b"v1_pkger_stacks", &[("id", Kind::Text)]),
    (b"templates/documents/meta", &[]),
];

impl Checker<'_> {
    /// Records of all buckets that no other check reads.
    pub(super) fn other_records(&mut self) -> Result<()> {
        for (bucket, fields) in BUCKETS {
            self.decodes(bucket, &|value| {
                let text = go_json::text(value);
                go_json::read(&text, fields).map(|_| ())
            })?;
        }
        self.decodes(names::SECRETS, &|value| match STANDARD.decode(value) {
            Ok(secret) => {
                drop(zeroize::Zeroizing::new(secret));
                Ok(())
            }
            Err(_) => Err("it is not base64".into()),
        })
    }

    /// Reports the records of a bucket that `decode` refuses.
    fn decodes(
        &mut self,
        bucket: &[u8],
        decode: &dyn Fn(&[u8]) -> std::result::Result<(), String>,
    ) -> Result<()> {
        self.each_record(bucket, |_, key, value| {
            decode(value)
                .err()
                .map(|why| undecodable(bucket, key, &why))
        })
    }

    /// Reports what `judge` finds in the records of a bucket, at most as many as are listed.
    pub(super) fn each_record(
        &mut self,
        bucket: &[u8],
        judge: impl Fn(&Self, &[u8], &[u8]) -> Option<Finding>,
    ) -> Result<()> {
        let mut found = Vec::new();
        let damage = self.snapshot.scan(bucket, &mut |key, value| {
            found.extend(judge(self, key, value));
            if found.len() < MOST_OF_A_CODE {
                ControlFlow::Continue(())
            } else {
                ControlFlow::Break(())
            }
        })?;
        self.extend(damage);
        self.extend(found);
        Ok(())
    }
}

/// The finding for a record that influxd can't decode.
pub(super) fn undecodable(bucket: &[u8], key: &[u8], why: &str) -> Finding {
    let at = format!("{}/{}", text(bucket), text(key));
    Finding::new(
        Code::OtherUndecodable,
        at,
        format!("influxd can't read it: {why}"),
    )
}
