//! `token generate`: a new token, as influxd makes it.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE;
use zeroize::Zeroizing;

use crate::error::{Error, ErrorKind, Result};
use crate::secret::Token;

/// How many random bytes influxd puts into a token (`rand/token.go` in influxdata/influxdb).
const RANDOM_BYTES: usize = 64;

/// Generates a token: 64 random bytes of the system in URL-safe base64 with padding.
///
/// # Errors
/// When the system can't provide random bytes.
pub fn generate() -> Result<Token> {
    let mut bytes = Zeroizing::new([0; RANDOM_BYTES]);
    getrandom::fill(&mut *bytes).map_err(|cause| {
        Error::new(
            ErrorKind::Io,
            format!("can't get random bytes from the system: {cause}"),
        )
    })?;
    Ok(Token::new(URL_SAFE.encode(*bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_have_the_form_influxd_gives_them_and_differ() {
        let (one, other) = (generate().unwrap(), generate().unwrap());
        assert!(one != other);
        assert_eq!(one.reveal().len(), 88);
        let (body, padding) = one.reveal().split_at(86);
        assert_eq!(padding, "==");
        assert!(
            body.bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
        );
    }
}
