//! Checks of a single authorization record.

use crate::finding::Code;
use crate::metadata::check::Checker;
use crate::metadata::token_hash::PREFIX;
use crate::metadata::{Authorization, Class, Kind, Storage, TokenHash, description_tags};

/// The findings about one authorization record, whose permissions make it a token of this class.
pub(super) fn record_findings<P>(
    record: &Authorization<'_, P>,
    class: Class,
    checker: &Checker<'_>,
    add: &mut dyn FnMut(Code, String),
) {
    let hash = (!record.hashed_token.is_empty()).then(|| TokenHash::parse(&record.hashed_token));
    match record.storage() {
        Storage::Missing => add(
            Code::TokenAbsent,
            "it has no token, so it can't authenticate and can't be updated".into(),
        ),
        Storage::Both => match &hash {
            Some(Ok(hash)) if !hash.matches(record.token.as_bytes()) => add(
                Code::TokenDisagrees,
                "its hash does not match its token; influxd uses the token".into(),
            ),
            _ => add(
                Code::TokenBoth,
                "it has the plaintext token besides the hash; influxd does not remove it".into(),
            ),
        },
        Storage::Plaintext | Storage::Hashed => {}
    }
    if record.storage() == Storage::Plaintext && !record.is_active() && record.status != "inactive"
    {
        add(
            Code::TokenStatus,
            "its status is neither active nor inactive, so InfluxDB 2.9 can't hash its token and \
             does not start"
                .into(),
        );
    }
    if let Some(Err(cause)) = hash {
        add(
            Code::HashUndecodable,
            format!("its hash can't be decoded: {cause}"),
        );
    }
    if record.token.starts_with(PREFIX) {
        add(Code::HashAsToken, "its token field contains a hash".into());
    }
    if let Some(id) = record.user_id.filter(|id| checker.is_user_gone(*id)) {
        add(
            Code::TokenUserGone,
            format!("its user {id} was deleted; influxd hides it and refuses it"),
        );
    }
    if checker.is_org_gone(record.org_id) {
        add(
            Code::TokenOrgGone,
            format!(
                "its organization {} was deleted; influxd hides it, but still accepts it",
                record.org_id
            ),
        );
    }
    if description_tags::is_temporary(&record.description) {
        add(
            Code::TokenTemporary,
            format!(
                "it is marked as temporary; boltkey auth delete {} removes it",
                record.id
            ),
        );
    }
    if let Some(migrations) = checker.schema
        && class.is_missed(migrations)
    {
        let lacks: Vec<&str> = class.lacks(migrations).collect();
        let lacks = lacks.join(", ");
        match class.kind {
            Kind::Operator => add(
                Code::OperatorOld,
                format!(
                    "it is an operator token of an older release that an upgrade did not extend: it \
                     lacks the permissions for {lacks}, and servers refuse it backup, restore and \
                     their configuration"
                ),
            ),
            Kind::AllAccess => add(
                Code::AllAccessOld,
                format!(
                    "it is an all-access token of an older release that an upgrade did not extend: it \
                     lacks the permissions for {lacks}"
                ),
            ),
            Kind::Custom => {}
        }
    }
}
