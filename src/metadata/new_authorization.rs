//! A new authorization: its record and index entry, as influxd writes them.

use zeroize::Zeroizing;

use crate::metadata::json::push_string;
use crate::metadata::permission::Permission;
use crate::metadata::{Id, names};
use crate::secret::Token;
use crate::store::ChangeSet;

/// A token in its stored form.
#[derive(Clone, Copy)]
pub enum Kept<'a> {
    /// In plaintext, the only form up to InfluxDB 2.7.
    Plaintext(&'a Token),
    /// Only its hash, as text like in the index.
    Hash(&'a str),
}

impl<'a> Kept<'a> {
    /// The index bucket of the token, and its key there.
    #[must_use]
    pub fn index(self) -> (&'static [u8], &'a [u8]) {
        match self {
            Self::Plaintext(token) => (names::AUTHORIZATION_INDEX, token.reveal().as_bytes()),
            Self::Hash(hash) => (names::AUTHORIZATION_HASHED_INDEX, hash.as_bytes()),
        }
    }
}

/// The fields of a new authorization.
pub struct NewAuthorization<'a> {
    /// Its ID, which must be free.
    pub id: Id,
    /// Its token.
    pub kept: Kept<'a>,
    /// Whether it is active.
    pub active: bool,
    /// Its description.
    pub description: &'a str,
    /// The organization it belongs to.
    pub org_id: Id,
    /// Its owner.
    pub user_id: Id,
    /// Its permissions.
    pub permissions: &'a [Permission<'a>],
    /// The time of creation, RFC 3339.
    pub created_at: &'a str,
}

impl NewAuthorization<'_> {
    /// Adds the record and its index entry to `changes`. The index bucket must exist: only stores
    /// of schema 21 and later support [`Kept::Hash`].
    pub fn put(&self, changes: &mut ChangeSet) {
        let id = self.id.to_string();
        changes.put(names::AUTHORIZATIONS, id.as_bytes(), &self.record());
        let (index, key) = self.kept.index();
        changes.put(index, key, id.as_bytes());
    }

    /// The same for a 1.x-compatible authorization. Its token, in plaintext, is the 1.x user name.
    pub fn put_v1(&self, changes: &mut ChangeSet) {
        let id = self.id.to_string();
        let (_, name) = self.kept.index();
        changes.put(names::LEGACY_AUTHORIZATIONS, id.as_bytes(), &self.record());
        changes.put(names::LEGACY_AUTHORIZATION_INDEX, name, id.as_bytes());
    }

    /// The record, field by field in influxd's order.
    #[must_use]
    pub fn record(&self) -> Zeroizing<Vec<u8>> {
        // Large enough for all realistic permissions, so that no reallocation leaves a copy of the
        // token.
        let (_, key) = self.kept.index();
        let texts = (key.len() + self.description.len()) * 6;
        let room = 1024 + texts + self.permissions.len() * 160;
        let mut out = Zeroizing::new(Vec::with_capacity(room));
        let text = |out: &mut Vec<u8>, before: &str, value: &str| {
            out.extend_from_slice(before.as_bytes());
            push_string(value, out);
        };
        text(&mut out, "{\"id\":", &self.id.to_string());
        match self.kept {
            Kept::Plaintext(token) => text(&mut out, ",\"token\":", token.reveal()),
            Kept::Hash(hash) => text(&mut out, ",\"hashedToken\":", hash),
        }
        let status = if self.active { "active" } else { "inactive" };
        text(&mut out, ",\"status\":", status);
        text(&mut out, ",\"description\":", self.description);
        text(&mut out, ",\"orgID\":", &self.org_id.to_string());
        text(&mut out, ",\"userID\":", &self.user_id.to_string());
        out.extend_from_slice(b",\"permissions\":[");
        for (n, permission) in self.permissions.iter().enumerate() {
            if n > 0 {
                out.push(b',');
            }
            permission.push_json(&mut out);
        }
        text(&mut out, "],\"createdAt\":", self.created_at);
        text(&mut out, ",\"updatedAt\":", self.created_at);
        out.push(b'}');
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metadata::permission::Action;
    use crate::metadata::{Authorization, Storage, TokenHash, Variant};

    /// Rebuilds the record of a real server from its fields.
    #[test]
    fn byte_for_byte_as_influxd_writes_it() {
        let written = r#"{"id":"08371deae98c8000","token":"4-pZrlm84u9uiMVrPBeITe46KxfdEnvTX5H2CZh38BtAsXX4O47b8QwZ9jHL_Cek2w-VbVfRxDpo0Mu8ORiqyQ==","status":"active","description":"testuser's read buckets token","orgID":"dd7cd2292f6e974a","userID":"08371db1dd8c8000","permissions":[{"action":"read","resource":{"type":"buckets","orgID":"dd7cd2292f6e974a"}}],"createdAt":"2021-09-28T08:56:23.718372-04:00","updatedAt":"2021-09-28T08:56:23.718372-04:00"}"#;
        let record: Authorization<'_> = serde_json::from_str(written).unwrap();
        let token = Token::new(record.token.to_string());
        let mut new = NewAuthorization {
            id: record.id,
            kept: Kept::Plaintext(&token),
            active: true,
            description: &record.description,
            org_id: record.org_id,
            user_id: record.user_id.unwrap(),
            permissions: &record.permissions,
            created_at: &record.created_at,
        };
        assert_eq!(new.record().as_slice(), written.as_bytes());
        let hash = TokenHash::of(Variant::Sha256, token.reveal().as_bytes()).to_phc();
        new.kept = Kept::Hash(&hash);
        let record = new.record();
        let hashed: Authorization<'_> = serde_json::from_slice(&record).unwrap();
        assert_eq!(hashed.storage(), Storage::Hashed);
        let hash = TokenHash::parse(&hashed.hashed_token).unwrap();
        assert!(hash.matches(token.reveal().as_bytes()));
        assert!(memchr::memmem::find(&record, token.reveal().as_bytes()).is_none());
        assert_eq!(hashed.permissions[0].action, Action::Read);
    }
}
