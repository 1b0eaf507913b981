//! Leaves out texts of a store that contain a token, such as the name of a bucket: for reports that
//! are shared.

use crate::finding::Finding;
use crate::metadata::Catalog;
use crate::metadata::embedded_tokens::TextSearch;
use crate::metadata::hashing::StoredTokens;

/// What stands in the place of such a text.
pub const REMOVED: &str = "[removed: it contains a token]";

/// Finds texts with tokens: tokens of the store, plaintext or hashed, and everything of the form of a
/// generated token.
pub struct ShownTokens<'s> {
    stored: &'s StoredTokens,
    texts: TextSearch<'s>,
}

impl<'s> ShownTokens<'s> {
    /// A search for the tokens of a store.
    #[must_use]
    pub fn new(stored: &'s StoredTokens) -> Self {
        Self {
            stored,
            texts: TextSearch::new(stored),
        }
    }

    /// Whether a text contains a token.
    pub fn are_in(&mut self, text: &str) -> bool {
        if text.is_empty() {
            return false;
        }
        let splits =
            |joining: &'static str| move |c: char| !(c.is_alphanumeric() || joining.contains(c));
        let is_token =
            |word: &str| !word.is_empty() && self.stored.owner(word.as_bytes()).is_some();
        // A hashed token of any form can only be recognised as a whole.
        let in_words = is_token(text)
            || text.split_whitespace().any(is_token)
            || text.split(splits("=-_+/.~:")).any(is_token)
            || text.split(splits("=-_")).any(is_token);
        in_words
            || self.are_encoded_in(text)
            // A slash is a digit of base64, but also stands between a bucket and a key.
            || text.contains('/') && text.split('/').any(|part| self.are_encoded_in(part))
    }

    /// Whether a text contains a token as it is, or in an encoding.
    fn are_encoded_in(&mut self, text: &str) -> bool {
        let bytes = text.as_bytes();
        !self.texts.owners(bytes).is_empty() || self.texts.has_token_form(bytes)
    }

    /// Replaces a text that contains a token.
    pub fn leave_out(&mut self, text: &mut String) {
        if self.are_in(text) {
            REMOVED.clone_into(text);
        }
    }

    /// Replaces names and descriptions that contain a token.
    pub fn leave_out_of_catalog(&mut self, catalog: &mut Catalog) {
        for user in catalog.users.values_mut() {
            self.leave_out(&mut user.name);
            self.leave_out(&mut user.status);
        }
        for org in catalog.orgs.values_mut() {
            for text in [&mut org.name, &mut org.description] {
                self.leave_out(text);
            }
        }
        for bucket in catalog.buckets.values_mut() {
            for text in [&mut bucket.name, &mut bucket.description] {
                self.leave_out(text);
            }
            if let Some(policy) = &mut bucket.rp {
                self.leave_out(policy);
            }
        }
    }

    /// Replaces texts of findings that contain a token.
    pub fn leave_out_of_findings(&mut self, findings: &mut [Finding]) {
        for finding in findings {
            self.leave_out(&mut finding.message);
            self.leave_out(&mut finding.place);
            if let Some(hint) = &mut finding.hint {
                self.leave_out(hint);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metadata::names;
    use crate::store::Model;

    #[test]
    fn texts_with_tokens_are_replaced_and_others_are_not() {
        const A: &str = "0000000000000a01";
        const B: &str = "0000000000000b02";
        let generated = format!("{}==", "g".repeat(86));
        let mut model = Model::default();
        // SHA-256 of `hashed-secret`.
        let hash = "$influxdb2-sha256$TlmPXar8L9phZB3btZVt6yP95mFjZtyd1afJ9H2k14c=";
        for (id, field, token) in [(A, "token", "chosen"), (B, "hashedToken", hash)] {
            let record = format!(r#"{{"id":"{id}","{field}":"{token}","orgID":"{A}"}}"#);
            model.put(names::AUTHORIZATIONS, id.as_bytes(), record.as_bytes());
        }
        let stored = StoredTokens::load_readable(&model).unwrap();
        let mut shown = ShownTokens::new(&stored);
        for (text, removed) in [
            ("", false),
            ("metrics", false),
            ("alice's Token", false),
            ("the chosen one", true),
            ("unchosen", true),
            ("Y2hvc2Vu", true),
            ("tasksv1/Y2hvc2Vu", true),
            ("hashed-secret", true),
            ("see (hashed-secret), please", true),
            (r#"{"type":"hashed-secret"}"#, true),
            ("tasksv1/hashed-secret.", true),
            ("token: hashed-secret", true),
            ("another-hashed-secret", false),
            (&generated, true),
            (&format!("of edge 7: {generated}"), true),
            (r#"{"token":"of another store"}"#, true),
            (hash, false),
        ] {
            assert_eq!(shown.are_in(text), removed, "{text}");
        }
        let mut name = String::from("a chosen name");
        shown.leave_out(&mut name);
        assert_eq!(name, REMOVED);
    }
}
