//! The hashes that InfluxDB 2.8 and later store: unsalted, in a PHC-like text.
//!
//! `$influxdb2-sha256$<base64url of SHA-256 of the token's bytes>`, or the same with SHA-512.
//! Source: `pkg/crypt/algorithm/influxdb2` in influxdata/influxdb.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE;
use sha2::{Digest, Sha256, Sha512};

/// A hash function of influxd. It writes only the first one itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Variant {
    /// SHA-256: 62 characters of text.
    Sha256,
    /// SHA-512: 106 characters of text. Tokens hashed with it work after influxd's next start.
    Sha512,
}

impl Variant {
    /// Both, in the order influxd tries them.
    pub const ALL: [Self; 2] = [Self::Sha256, Self::Sha512];

    /// The text between the first two `$`.
    #[must_use]
    pub fn identifier(self) -> &'static str {
        match self {
            Self::Sha256 => "influxdb2-sha256",
            Self::Sha512 => "influxdb2-sha512",
        }
    }

    /// The name on the command line and in reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Sha256 => "sha256",
            Self::Sha512 => "sha512",
        }
    }
}

impl fmt::Display for Variant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The prefix of every hash text; plaintext tokens should not have it.
pub const PREFIX: &str = "$influxdb2-";

/// Why influxd can't decode a text as a token hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidHash {
    /// Not exactly `$identifier$digest`.
    #[error("not of the form $identifier$digest")]
    Form,
    /// An identifier influxd does not know.
    #[error("unknown hash variant")]
    Variant,
    /// The digest is empty or not padded URL-safe base64.
    #[error("invalid digest")]
    Digest,
}

/// The hash of a token: variant and digest.
///
/// The digest of a decoded text may have any length except 0, because influxd does not check it. A
/// digest of the wrong length matches no token.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TokenHash {
    variant: Variant,
    digest: Vec<u8>,
}

impl TokenHash {
    /// The hash of a token's bytes (its text as it is; the base64 is not decoded).
    #[must_use]
    pub fn of(variant: Variant, token: &[u8]) -> Self {
        let digest = match variant {
            Variant::Sha256 => Sha256::digest(token).to_vec(),
            Variant::Sha512 => Sha512::digest(token).to_vec(),
        };
        Self { variant, digest }
    }

    /// Decodes the text of a record or index key, by influxd's rules.
    ///
    /// # Errors
    /// When influxd can't decode it either.
    pub fn parse(text: &str) -> Result<Self, InvalidHash> {
        let mut parts = text.split('$');
        let (Some(""), Some(identifier), Some(digest), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(InvalidHash::Form);
        };
        let variant = Variant::ALL
            .into_iter()
            .find(|variant| variant.identifier() == identifier)
            .ok_or(InvalidHash::Variant)?;
        let digest = URL_SAFE.decode(digest).map_err(|_| InvalidHash::Digest)?;
        if digest.is_empty() {
            return Err(InvalidHash::Digest);
        }
        Ok(Self { variant, digest })
    }

    /// The hash function.
    #[must_use]
    pub fn variant(&self) -> Variant {
        self.variant
    }

    /// The raw digest.
    #[must_use]
    pub fn digest(&self) -> &[u8] {
        &self.digest
    }

    /// Whether the digest has the length of its hash function. influxd does not check that, but no
    /// token matches another length.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.digest.len()
            == match self.variant {
                Variant::Sha256 => 32,
                Variant::Sha512 => 64,
            }
    }

    /// Whether this is the hash of `token`.
    #[must_use]
    pub fn matches(&self, token: &[u8]) -> bool {
        use subtle::ConstantTimeEq;
        Self::of(self.variant, token)
            .digest
            .ct_eq(&self.digest)
            .into()
    }

    /// The text as InfluxDB stores it. It can't be used as a token, but it is shown only on
    /// request, so there is no `Display`.
    #[must_use]
    pub fn to_phc(&self) -> String {
        let digest = URL_SAFE.encode(&self.digest);
        format!("${}${digest}", self.variant.identifier())
    }
}

impl fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TokenHash({})", self.variant)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VECTORS: &[(&str, &str)] = &[
        (
            "c27cb2033ab304629d32e1dbcd0ca7186322d3be98af5dd4c329ab800ef85d73",
            "$influxdb2-sha256$kMrC1MoFhWvvKSgyqpMaLuo2O3LINv4_XByCSkfV9K0=",
        ),
        (
            "c27cb2033ab304629d32e1dbcd0ca7186322d3be98af5dd4c329ab800ef85d73",
            "$influxdb2-sha512$TVnbbX9DrEI0ZFU7WeJFXuESzFE75refUdrav_ZSNURD1AbEOtAtRzUda0wSO65lYFsoorwze0c6ReSaausnUA==",
        ),
        (
            "322be1195f22da43a88e5ef1e856b707d6b7d41a6068feec343decbc5d784e50",
            "$influxdb2-sha256$pOpUQ6kdjfTEFrzpL4Ttl_UVeXcQjJ5oTOPlhPvZbo8=",
        ),
        (
            "322be1195f22da43a88e5ef1e856b707d6b7d41a6068feec343decbc5d784e50",
            "$influxdb2-sha512$ffgzLTTAyWBDczT0kKzwLzLjlemQh6UiFvqIA0CPd-B7qgqAetWEuKRI9qOLeE4ak6mxcxwthyKUO40sHf5V5w==",
        ),
        (
            "A9Ovdl8SmP-rfp8wQ2vJoPUsZoQQJ3EochD88SlJcgrcLw4HBwgUqpSHQxc9N9Drg0_aY6Lp1jutBRcKhbV7aQ==",
            "$influxdb2-sha256$tNQn4VbAQgEgHYEptCwkeC6ov2uYZfzIGj6jRH_-eWI=",
        ),
        (
            "A9Ovdl8SmP-rfp8wQ2vJoPUsZoQQJ3EochD88SlJcgrcLw4HBwgUqpSHQxc9N9Drg0_aY6Lp1jutBRcKhbV7aQ==",
            "$influxdb2-sha512$Sk86I-KpZC2RedEEB_eyiu1LLxDnIMne0_uxulLkt-gjQxZaus1lfEpi6lGpISDXKCjmkui1BnpJStIlxDrTrA==",
        ),
        (
            "my-super-secret-admin-token",
            "$influxdb2-sha256$MF-hXZK0ApLZgX8ybiLglgYvxJSVlxrEFgaIQtXa89k=",
        ),
        (
            "my-super-secret-admin-token",
            "$influxdb2-sha512$yaH31qNe7bmtb7OA6JoO9J6vqSpOz-CsRpwjiUIeS5qRN1zaqo9htJX9RH6zaemgsQqRC54UTZu4D2jA_LbjgQ==",
        ),
        (
            "tökén with spaces",
            "$influxdb2-sha256$Z6HcFCSuJcRr8LI8zSZJAQWEIZYsyg28dKFr4G0XXss=",
        ),
    ];

    #[test]
    fn vectors() {
        for (token, text) in VECTORS {
            let hash = TokenHash::parse(text).unwrap();
            assert!(hash.matches(token.as_bytes()), "{text}");
            assert!(!hash.matches(b"another"), "{text}");
            assert_eq!(
                TokenHash::of(hash.variant(), token.as_bytes()).to_phc(),
                *text
            );
        }
        println!("cases: token-hash {}", VECTORS.len());
    }

    #[test]
    fn what_influxd_can_not_decode() {
        for (text, why) in [
            ("", InvalidHash::Form),
            ("influxdb2-sha256$AA==", InvalidHash::Form),
            ("$influxdb2-sha256$AA==$", InvalidHash::Form),
            ("x$influxdb2-sha256$AA==", InvalidHash::Form),
            ("$influxdb2-md5$AA==", InvalidHash::Variant),
            ("$influxdb2-sha256$", InvalidHash::Digest),
            ("$influxdb2-sha256$AA", InvalidHash::Digest),
            ("$influxdb2-sha256$+A==", InvalidHash::Digest),
        ] {
            assert_eq!(TokenHash::parse(text).unwrap_err(), why, "{text}");
        }
    }

    #[test]
    fn a_short_digest_is_decoded_and_matches_nothing() {
        let hash = TokenHash::parse("$influxdb2-sha256$AA==").unwrap();
        assert!(!hash.matches(b"") && !hash.is_complete());
        for variant in Variant::ALL {
            assert!(TokenHash::of(variant, b"").is_complete());
        }
    }
}
