//! One authorization record by itself.

use crate::finding::Code;
use crate::metadata::token_hash::PREFIX;
use crate::metadata::{Authorization, Catalog, Storage, TokenHash, description_tags};

/// What one authorization record shows by itself.
pub(super) fn record_findings(
    record: &Authorization<'_>,
    catalog: &Catalog,
    add: &mut dyn FnMut(Code, String),
) {
    let hash = (!record.hashed_token.is_empty()).then(|| TokenHash::parse(&record.hashed_token));
    match record.storage() {
        Storage::Missing => add(
            Code::TokenAbsent,
            "it holds no token; it authenticates nobody and can't be updated".into(),
        ),
        Storage::Both => match &hash {
            Some(Ok(hash)) if !hash.matches(record.token.as_bytes()) => add(
                Code::TokenDisagrees,
                "its hash is not that of its token; influxd goes by the token".into(),
            ),
            _ => add(
                Code::TokenBoth,
                "it holds plaintext beside the hash; influxd leaves it like that".into(),
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
        add(
            Code::HashAsToken,
            "a hash stands where its raw token belongs".into(),
        );
    }
    if let Some(id) = record.user_id.filter(|id| !catalog.users.contains_key(id)) {
        add(
            Code::TokenUserGone,
            format!("its user {id} was deleted; influxd hides it and refuses it"),
        );
    }
    if !catalog.orgs.contains_key(&record.org_id) {
        add(
            Code::TokenOrgGone,
            format!(
                "its organization {} was deleted; influxd hides it, and still accepts it",
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
    let class = record.class();
    if class.old_vintage {
        add(
            Code::OperatorOld,
            "it lacks resource types that later releases added, so they refuse it backup and \
             restore"
                .into(),
        );
    }
}
