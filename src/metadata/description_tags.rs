//! What boltkey writes at the end of a description, to know a token of its own again.

/// Of a token that is to be removed soon.
pub const TEMPORARY: &str = " (boltkey temporary)";

/// Of a token that stands in a declarative list.
pub const APPLIED: &str = " (boltkey apply)";

/// Whether a token is to be removed soon.
#[must_use]
pub fn is_temporary(description: &str) -> bool {
    description.ends_with(TEMPORARY)
}

/// A description without such marks: another token must not be taken for the one it was made from.
#[must_use]
pub fn stripped(description: &str) -> &str {
    let mut rest = description;
    while let Some(shorter) = rest
        .strip_suffix(TEMPORARY)
        .or_else(|| rest.strip_suffix(APPLIED))
    {
        rest = shorter;
    }
    rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_known_and_taken_off() {
        let marked = format!("telegraf{APPLIED}{TEMPORARY}");
        assert!(is_temporary(&marked) && !is_temporary("telegraf"));
        assert_eq!(stripped(&marked), "telegraf");
        assert_eq!(stripped("telegraf"), "telegraf");
    }
}
