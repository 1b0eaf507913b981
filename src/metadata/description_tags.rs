//! Tags that boltkey writes at the end of a description, to recognize its own tokens later.

/// The tag of a temporary token.
pub const TEMPORARY: &str = " (boltkey temporary)";

/// The tag of a token that a declarative list names.
pub const APPLIED: &str = " (boltkey apply)";

/// Whether a description has the tag of a temporary token.
#[must_use]
pub fn is_temporary(description: &str) -> bool {
    description.ends_with(TEMPORARY)
}

/// Adds the tag of a temporary token, unless it is there.
pub fn mark_temporary(description: &mut String) {
    if !is_temporary(description) {
        description.push_str(TEMPORARY);
    }
}

/// The description without its tags, so that a clone is not taken for the original.
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
    fn tags_are_recognized_and_stripped() {
        let tagged = format!("telegraf{APPLIED}{TEMPORARY}");
        assert!(is_temporary(&tagged) && !is_temporary("telegraf"));
        assert_eq!(stripped(&tagged), "telegraf");
        assert_eq!(stripped("telegraf"), "telegraf");
    }
}
