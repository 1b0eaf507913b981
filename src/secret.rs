//! Tokens and passwords: values that must not be printed, logged or left in memory.

use subtle::ConstantTimeEq;
use zeroize::{Zeroize, ZeroizeOnDrop};

/// A secret string: an API token, a password or a passphrase.
///
/// No `Debug`, no `Display`, no `Serialize`: the only way to its text is [`Token::reveal`], so
/// every place where a secret can leave the program is found by searching for that name. The
/// memory is overwritten on drop.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct Token(String);

impl Token {
    /// Takes the secret over; the string's own memory becomes the secret's.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(text)
    }

    /// The text itself.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// The secret, lent.
    #[must_use]
    pub fn lent(&self) -> TokenRef<'_> {
        TokenRef(&self.0)
    }
}

/// A secret string in memory of somebody else, who overwrites it.
///
/// As with [`Token`], the only way to its text is [`TokenRef::reveal`].
#[derive(Clone, Copy)]
pub struct TokenRef<'a>(&'a str);

impl<'a> TokenRef<'a> {
    /// The secret in `text`.
    #[must_use]
    pub fn new(text: &'a str) -> Self {
        Self(text)
    }

    /// The text itself.
    #[must_use]
    pub fn reveal(self) -> &'a str {
        self.0
    }
}

/// Compares in constant time for equal lengths.
impl PartialEq for Token {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_bytes().ct_eq(other.0.as_bytes()).into()
    }
}

impl Eq for Token {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_only_when_the_text_is() {
        assert!(Token::new("abc".into()) == Token::new("abc".into()));
        assert!(Token::new("abc".into()) != Token::new("abd".into()));
        assert!(Token::new("abc".into()) != Token::new("abcd".into()));
    }
}
