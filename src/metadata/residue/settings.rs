//! Tokens of any form in configuration and environment files.

use zeroize::Zeroizing;

use crate::metadata::encodings::unescape;

/// Reports the value of each setting whose name indicates a token: `token = "…"` in the influx
/// CLI's `configs`, `INFLUX_TOKEN='…'` in environment files, `token: …` in YAML.
pub(super) fn tokens(text: &str, found: &mut impl FnMut(&[u8])) {
    for line in text.lines() {
        let line = line.trim_start_matches(['-', ' ', '\t']);
        let line = line.strip_prefix("export ").unwrap_or(line);
        let Some((name, value)) = line.find(['=', ':']).and_then(|at| {
            let (name, rest) = line.split_at_checked(at)?;
            Some((name, rest.get(1..)?.trim()))
        }) else {
            continue;
        };
        let name = name.trim().trim_matches('"').to_ascii_lowercase();
        if name.ends_with("token") || name.starts_with("influx_token_") {
            unquote(value, found);
        }
    }
}

fn unquote(value: &str, found: &mut impl FnMut(&[u8])) {
    if let Some(inside) = value.strip_prefix('"') {
        // TOML has the escapes of JSON, and some more that no token needs.
        let end = inside.rfind('"').unwrap_or(inside.len());
        let mut text = Zeroizing::new(Vec::with_capacity(end));
        let inside = inside.get(..end).unwrap_or_default();
        if unescape(inside.as_bytes(), &mut text).is_some() {
            found(&text);
        }
    } else if let Some(inside) = value.strip_prefix('\'') {
        // The shell syntax for a quote inside quotes; TOML and YAML use other syntax.
        let end = inside.rfind('\'').unwrap_or(inside.len());
        let mut text = Zeroizing::new(String::with_capacity(end));
        for (n, part) in inside
            .get(..end)
            .unwrap_or_default()
            .split("'\\''")
            .enumerate()
        {
            text.push_str(if n > 0 { "'" } else { "" });
            text.push_str(part);
        }
        found(text.as_bytes());
    } else if !value.starts_with(['$', '{']) {
        let bare = value.split([' ', '\t', '#']).next().unwrap_or_default();
        found(bare.as_bytes());
    }
}
