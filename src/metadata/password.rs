//! Passwords: InfluxDB's rules, and their hashes (bcrypt, cost 10).
//!
//! Source: `tenant/service_user.go` and `kit/platform/errors/error_user.go` in influxdata/influxdb.

use bcrypt::{BcryptError, Version};

use crate::secret::Token;

/// InfluxDB's bcrypt cost.
const COST: u32 = 10;

/// Whether InfluxDB accepts a password; `strong` is its setting `strong-passwords`. Releases up to
/// 2.7.5 accepted longer passwords, which later releases refuse.
///
/// # Errors
/// The reason in InfluxDB's own words.
pub fn valid(password: &Token, strong: bool) -> Result<(), &'static str> {
    let text = password.reveal();
    if !(8..=72).contains(&text.len()) {
        return Err("passwords must be between 8 and 72 characters long");
    }
    let classes: [fn(char) -> bool; 4] = [
        char::is_numeric,
        char::is_uppercase,
        char::is_lowercase,
        |c| "!@#$%^&*()_+".contains(c),
    ];
    let met = classes
        .iter()
        .filter(|class| text.chars().any(class))
        .count();
    if strong && met < 3 {
        return Err(
            "passwords must contain at least three of the following character classes: uppercase, \
             lowercase, number, special",
        );
    }
    Ok(())
}

/// The hash as InfluxDB stores it.
///
/// # Errors
/// When the system can't provide random bytes.
pub fn hash(password: &Token) -> Result<String, BcryptError> {
    let parts = bcrypt::hash_with_result(password.reveal(), COST)?;
    Ok(parts.format_for_version(Version::TwoA))
}

/// Whether `hash` is the hash of this password. A hash that [`is_costly`] matches nothing.
#[must_use]
pub fn matches(password: &Token, hash: &str) -> bool {
    !is_costly(hash) && bcrypt::verify(password.reveal(), hash).unwrap_or(false)
}

/// The highest cost that is tried. Each step doubles the time; this one takes seconds.
const HIGHEST_COST: u32 = 15;

/// Whether it would take too long to compare a password with this hash: minutes to days.
#[must_use]
pub fn is_costly(hash: &str) -> bool {
    cost(hash).is_some_and(|cost| cost > HIGHEST_COST)
}

/// Whether a text is a hash that InfluxDB can compare with a password, and that is not too costly.
#[must_use]
pub fn is_hash(text: &str) -> bool {
    let valid = text.parse::<bcrypt::HashParts>().is_ok();
    valid && cost(text).is_some_and(|cost| (4..=HIGHEST_COST).contains(&cost))
}

/// The cost of a hash such as `$2a$10$…`.
fn cost(hash: &str) -> Option<u32> {
    hash.split('$').nth(2)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(text: &str) -> Token {
        Token::new(text.to_owned())
    }

    #[test]
    fn rules() {
        for (text, strong, good) in [
            ("seven77", false, false),
            ("eight888", false, true),
            (&"x".repeat(72), false, true),
            (&"x".repeat(73), false, false),
            // Bytes count, as for influxd.
            ("éééé", false, true),
            ("lowercase", true, false),
            ("Lowercase", true, false),
            ("Lowercase1", true, true),
            ("lowercase1!", true, true),
        ] {
            assert_eq!(valid(&token(text), strong).is_ok(), good, "{text}");
        }
    }

    #[test]
    fn hashes() {
        let password = token("correct horse battery");
        let hash = hash(&password).unwrap();
        assert!(hash.starts_with("$2a$10$") && hash.len() == 60);
        assert!(matches(&password, &hash) && !matches(&token("another"), &hash));
        assert!(!matches(&password, "no hash"));
        let costly = hash.replace("$10$", "$31$");
        assert!(is_costly(&costly) && !matches(&password, &costly) && !is_hash(&costly));
        assert!(is_hash(&hash) && !is_costly(&hash));
        for text in [
            "",
            "no hash",
            "$2a$10$",
            "$2a$10$short",
            "$1a$10$",
            &hash[1..],
        ] {
            assert!(!is_hash(text), "{text}");
        }
    }
}
