//! One authorization record by itself.

use crate::metadata::token_hash::PREFIX;
use crate::metadata::{Authorization, Catalog, Storage, TokenHash, description_tags};

/// What one authorization record shows by itself.
pub(super) fn record_findings(
    record: &Authorization<'_>,
    catalog: &Catalog,
    add: &mut dyn FnMut(&'static str, String),
) {
    let hash = (!record.hashed_token.is_empty()).then(|| TokenHash::parse(&record.hashed_token));
    match record.storage() {
        Storage::Missing => add(
            "metadata.token-absent",
            "it holds no token; it authenticates nobody and can't be updated".into(),
        ),
        Storage::Both => match &hash {
            Some(Ok(hash)) if !hash.matches(record.token.as_bytes()) => add(
                "metadata.token-disagrees",
                "its hash is not that of its token; influxd goes by the token".into(),
            ),
            _ => add(
                "metadata.token-both",
                "it holds plaintext beside the hash; influxd leaves it like that".into(),
            ),
        },
        Storage::Plaintext | Storage::Hashed => {}
    }
    if let Some(Err(cause)) = hash {
        add(
            "metadata.hash-undecodable",
            format!("its hash can't be decoded: {cause}"),
        );
    }
    if record.token.starts_with(PREFIX) {
        add(
            "metadata.hash-as-token",
            "a hash stands where its raw token belongs".into(),
        );
    }
    if let Some(id) = record.user_id.filter(|id| !catalog.users.contains_key(id)) {
        add(
            "metadata.token-user-gone",
            format!("its user {id} was deleted; influxd hides it and refuses it"),
        );
    }
    if !catalog.orgs.contains_key(&record.org_id) {
        add(
            "metadata.token-org-gone",
            format!(
                "its organization {} was deleted; influxd hides it, and still accepts it",
                record.org_id
            ),
        );
    }
    if description_tags::is_temporary(&record.description) {
        add(
            "metadata.token-temporary",
            format!(
                "it is marked as temporary; boltkey auth delete {} removes it",
                record.id
            ),
        );
    }
    let class = record.class();
    if class.old_vintage {
        add(
            "metadata.operator-old",
            "it lacks resource types that later releases added, so they refuse it backup and \
             restore"
                .into(),
        );
    }
}
