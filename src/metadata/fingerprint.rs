//! Digests that tell whether tokens or records are still the same, without keeping them.

use sha2::{Digest, Sha256};

use crate::metadata::Id;
use crate::secret::Token;

/// A digest of tokens or records. Two equal digests mean the same tokens or records.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// The fingerprint of these bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// The fingerprint of tokens and the IDs of their authorizations, in this order.
    pub fn of_tokens<'a>(tokens: impl IntoIterator<Item = (&'a Id, &'a Token)>) -> Self {
        let mut running = Running::default();
        for (id, token) in tokens {
            running.add(*id, token.reveal().as_bytes());
        }
        running.finish()
    }
}

impl std::fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Fingerprint(..)")
    }
}

/// Computes a fingerprint. Its size does not depend on the number of texts.
#[derive(Default)]
pub struct Running(Sha256);

impl Running {
    /// Adds a text that belongs to an authorization.
    pub fn add(&mut self, id: Id, text: &[u8]) {
        self.0.update(id.get().to_le_bytes());
        self.0.update((text.len() as u64).to_le_bytes());
        self.0.update(text);
    }

    /// Adds another fingerprint.
    pub fn join(&mut self, other: Fingerprint) {
        self.0.update(other.0);
    }

    /// The fingerprint of everything that was added, in order.
    #[must_use]
    pub fn finish(self) -> Fingerprint {
        Fingerprint(self.0.finalize().into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neither_owner_nor_text_nor_border_may_differ() {
        let id = |id: &str| -> Id { id.parse().unwrap() };
        let (a, b) = (id("0000000000000a01"), id("0000000000000b02"));
        let of = |texts: &[(Id, &str)]| {
            let tokens = texts
                .iter()
                .map(|(id, text)| (*id, Token::new((*text).into())));
            let tokens: Vec<_> = tokens.collect();
            Fingerprint::of_tokens(tokens.iter().map(|(id, token)| (id, token)))
        };
        let one = of(&[(a, "x"), (b, "y")]);
        assert_eq!(one, of(&[(a, "x"), (b, "y")]));
        for other in [
            of(&[(a, "y"), (b, "x")]),
            of(&[(a, "x"), (a, "y")]),
            of(&[(a, "x")]),
            of(&[(a, ""), (b, "xy")]),
            of(&[]),
        ] {
            assert!(one != other);
        }
        assert_eq!(format!("{one:?}"), "Fingerprint(..)");
    }
}
