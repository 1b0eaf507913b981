//! Passwords of users: what InfluxDB takes for one, and how it keeps it.

use bcrypt::Version;

use crate::error::{Error, ErrorKind, Result};
use crate::secret::Token;

/// How many bytes a password may have; bcrypt looks at no more.
const LENGTH: std::ops::RangeInclusive<usize> = 8..=72;
/// What counts as special for `strong-passwords`.
const SPECIAL: &str = "!@#$%^&*()_+";
/// InfluxDB's cost of bcrypt.
const COST: u32 = 10;

/// Refuses what InfluxDB refuses: passwords of other than 8 to 72 bytes and, with its setting
/// `strong-passwords`, those without three of digits, capitals, small letters and special
/// characters.
///
/// Source: `tenant/service_user.go` and `kit/platform/errors` in influxdata/influxdb.
///
/// # Errors
/// [`ErrorKind::Refused`]; the message does not tell the password.
pub fn check(password: &Token, strong: bool) -> Result<()> {
    let text = password.reveal();
    if !LENGTH.contains(&text.len()) {
        return Err(Error::new(
            ErrorKind::Refused,
            format!(
                "the password has {} bytes, and InfluxDB takes 8 to 72; nothing was changed",
                text.len()
            ),
        ));
    }
    let kinds: [fn(char) -> bool; 4] = [
        char::is_numeric,
        char::is_uppercase,
        char::is_lowercase,
        |c| SPECIAL.contains(c),
    ];
    let has = kinds.iter().filter(|is| text.chars().any(**is)).count();
    if strong && has < 3 {
        return Err(Error::new(
            ErrorKind::Refused,
            format!(
                "the password is weak, and strong-passwords is on: InfluxDB wants three of digits, \
                 capitals, small letters and {SPECIAL}; nothing was changed"
            ),
        ));
    }
    Ok(())
}

/// What InfluxDB keeps of a password: bcrypt's text, `$2a$10$…`.
///
/// # Errors
/// When the system has no random bytes to give.
pub fn hash(password: &Token) -> Result<String> {
    let hashed = bcrypt::hash_with_result(password.reveal(), COST);
    let parts = hashed.map_err(|cause| {
        Error::new(
            ErrorKind::Io,
            format!("the password can't be hashed: {cause}; nothing was changed"),
        )
    })?;
    Ok(parts.format_for_version(Version::TwoA))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn takes(password: &str, strong: bool) -> bool {
        check(&Token::new(password.into()), strong).is_ok()
    }

    #[test]
    fn the_rules_of_influxdb() {
        let (longest, too_long) = ("x".repeat(72), "x".repeat(73));
        for (password, takes_it) in [
            ("", false),
            ("1234567", false),
            ("12345678", true),
            ("\u{e4}\u{e4}\u{e4}\u{e4}", true),
            (&longest, true),
            (&too_long, false),
        ] {
            assert_eq!(takes(password, false), takes_it, "{password}");
        }
        for (password, takes_it) in [
            ("12345678", false),
            ("abcdefg1", false),
            ("Abcdefg1", true),
            ("abcdef_1", true),
            ("ABCDEF_1", true),
            ("Abcdefg-", false),
            ("\u{c4}bcdefg\u{bd}", true),
        ] {
            assert_eq!(takes(password, true), takes_it, "{password}");
        }
        let weak = check(&Token::new("only small".into()), true).unwrap_err();
        assert!(!weak.message().contains("only small"));
    }

    #[test]
    fn a_hash_is_that_of_its_password_alone() {
        let hashed = hash(&Token::new("correct horse".into())).unwrap();
        assert!(
            hashed.starts_with("$2a$10$") && hashed.len() == 60,
            "{hashed}"
        );
        assert!(bcrypt::verify("correct horse", &hashed).unwrap());
        assert!(!bcrypt::verify("correct hors", &hashed).unwrap());
        // That of a real server.
        let theirs = "$2a$10$PgvhXFogiRsXVHQxcHKEMOBRqI7yhTfiDMIQIKx1FaLMdM6LN0ND6";
        assert!(!bcrypt::verify("correct horse", theirs).unwrap());
    }
}
