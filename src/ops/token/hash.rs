//! `token hash`: what a server stores of a token.

use crate::metadata::{TokenHash, Variant};
use crate::secret::Token;

/// The hash of `token` as InfluxDB 2.8 and later store it, as text.
#[must_use]
pub fn hash(token: &Token, variant: Variant) -> String {
    TokenHash::of(variant, token.reveal().as_bytes()).to_phc()
}
