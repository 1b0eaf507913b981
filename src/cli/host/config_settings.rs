//! Reads the relevant settings of influxd's configuration, in every format that influxd reads.

use std::fmt;
use std::path::PathBuf;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};

use crate::cli::host::hcl;

/// A configuration format, chosen by the file extension.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// `.json`
    Json,
    /// `.toml`
    Toml,
    /// `.yaml`, `.yml`
    Yaml,
    /// `.properties`, `.props`, `.prop`
    Properties,
    /// `.hcl`, version 1
    Hcl,
    /// `.env`, `.dotenv`: its keys have no dashes, so none is a setting of influxd
    Dotenv,
    /// `.ini`: its keys stand below a section, so none is a setting of influxd
    Ini,
}

impl Format {
    /// The format of an extension. None for one that influxd does not know. As in influxd, `TOML` is
    /// not `toml`.
    #[must_use]
    pub fn of_extension(extension: &str) -> Option<Self> {
        match extension {
            "json" => Some(Self::Json),
            "toml" => Some(Self::Toml),
            "yaml" | "yml" => Some(Self::Yaml),
            "properties" | "props" | "prop" => Some(Self::Properties),
            "hcl" => Some(Self::Hcl),
            "env" | "dotenv" => Some(Self::Dotenv),
            "ini" => Some(Self::Ini),
            _ => None,
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Json => "JSON",
            Self::Toml => "TOML",
            Self::Yaml => "YAML",
            Self::Properties => "properties",
            Self::Hcl => "HCL",
            Self::Dotenv => "dotenv",
            Self::Ini => "INI",
        })
    }
}

/// An invalid configuration. The message never quotes the file, which may hold a Vault token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not valid {format}, or a key has the wrong type{}", at(*.line))]
pub struct InvalidConfig {
    /// The expected format.
    pub format: Format,
    /// The line of the error, from 1, if known.
    pub line: Option<usize>,
}

fn at(line: Option<usize>) -> String {
    line.map(|line| format!(" (line {line})"))
        .unwrap_or_default()
}

/// The settings used here. influxd has many more.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// `bolt-path`, unless missing or empty.
    pub bolt_path: Option<PathBuf>,
    /// `use-hashed-tokens`, if set.
    pub use_hashed_tokens: Option<bool>,
    /// `strong-passwords`, if set.
    pub strong_passwords: Option<bool>,
}

/// Parses a configuration. Keys are case-insensitive, as in influxd.
///
/// # Errors
/// When the text does not have this format or a value has the wrong type.
pub fn settings(text: &str, format: Format) -> Result<Settings, InvalidConfig> {
    // influxd accepts a byte order mark in TOML and YAML.
    let text = match format {
        Format::Toml | Format::Yaml => text.strip_prefix('\u{feff}').unwrap_or(text),
        Format::Json | Format::Properties | Format::Hcl | Format::Dotenv | Format::Ini => text,
    };
    // An empty JSON file is an error, as in influxd.
    if text.trim().is_empty() && format != Format::Json {
        return Ok(Settings::default());
    }
    let invalid = |line| InvalidConfig { format, line };
    // A YAML document that is empty or has only comments is null.
    let settings: Option<Settings> = match format {
        Format::Json => serde_json::from_str(text).map_err(|cause| invalid(Some(cause.line())))?,
        Format::Toml => Some(
            toml::from_str(text)
                .map_err(|cause| invalid(cause.span().map(|span| line_of(text, span.start))))?,
        ),
        Format::Yaml => serde_saphyr::from_str(text).map_err(|cause| {
            let line = cause.location().map(|place| place.line());
            invalid(line.and_then(|line| usize::try_from(line).ok()))
        })?,
        Format::Properties => Some(of_properties(text)),
        // influxd's library reads JSON, too.
        Format::Hcl if text.trim_start().starts_with('{') => {
            serde_json::from_str(text).map_err(|cause| invalid(Some(cause.line())))?
        }
        Format::Hcl => Some(of_hcl(text).map_err(|line| invalid(Some(line)))?),
        Format::Dotenv => Some(without_settings(text, is_dotenv).map_err(invalid)?),
        Format::Ini => Some(without_settings(text, is_ini).map_err(invalid)?),
    };
    Ok(settings.unwrap_or_default())
}

/// Parses `key = value`, `key: value` and `key value` lines. Continued lines and escapes are not
/// supported, because no path needs them.
fn of_properties(text: &str) -> Settings {
    let mut settings = Settings::default();
    for line in text.lines().map(str::trim_start) {
        if line.starts_with(['#', '!']) {
            continue;
        }
        let (key, value) = line.split_at(line.find([' ', '\t', '=', ':']).unwrap_or(line.len()));
        let value = value.trim_start();
        let value = value.strip_prefix(['=', ':']).unwrap_or(value).trim_start();
        match key.to_ascii_lowercase().as_str() {
            "bolt-path" => {
                settings.bolt_path = Some(value).filter(|v| !v.is_empty()).map(PathBuf::from);
            }
            "use-hashed-tokens" => settings.use_hashed_tokens = Some(truth(value) == Some(true)),
            "strong-passwords" => settings.strong_passwords = Some(truth(value) == Some(true)),
            _ => {}
        }
    }
    settings
}

/// The plain values of an HCL text.
///
/// # Errors
/// As [`hcl::pairs`].
fn of_hcl(text: &str) -> Result<Settings, usize> {
    let mut settings = Settings::default();
    for (key, value) in hcl::pairs(text)? {
        let is_true = value.as_deref().map(|value| truth(value) == Some(true));
        match key.to_ascii_lowercase().as_str() {
            "bolt-path" => {
                settings.bolt_path = value.filter(|v| !v.is_empty()).map(PathBuf::from);
            }
            "use-hashed-tokens" => settings.use_hashed_tokens = is_true,
            "strong-passwords" => settings.strong_passwords = is_true,
            _ => {}
        }
    }
    Ok(settings)
}

/// The settings of a format in which influxd finds none.
///
/// # Errors
/// The first line with which influxd does not start.
fn without_settings(text: &str, is_right: fn(&str) -> bool) -> Result<Settings, Option<usize>> {
    let wrong = (1..)
        .zip(text.lines())
        .find(|(_, line)| !is_right(line.trim()));
    match wrong {
        Some((line, _)) => Err(Some(line)),
        None => Ok(Settings::default()),
    }
}

/// Whether a line is empty, a comment, `KEY=VALUE` or `KEY: VALUE`.
fn is_dotenv(line: &str) -> bool {
    if line.is_empty() || line.starts_with('#') {
        return true;
    }
    let line = line.trim_start_matches('\u{feff}');
    let line = line.strip_prefix("export ").unwrap_or(line).trim_start();
    let is_key = |c: char| c.is_ascii_alphanumeric() || "_.".contains(c);
    let (key, rest) = line.split_at(line.find(|c| !is_key(c)).unwrap_or(line.len()));
    !key.is_empty() && (rest.trim_start().starts_with('=') || rest.starts_with(": "))
}

/// Whether a line is empty, a comment, a section or `key = value`.
fn is_ini(line: &str) -> bool {
    let is_section = line.starts_with('[') && line.contains(']');
    let is_pair = line.find(['=', ':']).is_some_and(|at| at > 0);
    line.is_empty() || line.starts_with(['#', ';']) || is_section || is_pair
}

/// Parses a boolean as influxd does for environment variables (Go's `strconv.ParseBool`).
#[must_use]
pub fn truth(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

fn line_of(text: &str, offset: usize) -> usize {
    let before = text.as_bytes().get(..offset).unwrap_or_default();
    1 + before.iter().filter(|byte| **byte == b'\n').count()
}

/// A text, or a number or boolean that influxd converts to a text. influxd ignores all other values.
#[derive(Deserialize)]
#[serde(untagged)]
enum Text {
    Plain(String),
    Truth(bool),
    Integer(i64),
    Number(f64),
    Other(IgnoredAny),
}

impl Text {
    fn into_path(self) -> Option<PathBuf> {
        let text = match self {
            Self::Plain(text) => text,
            Self::Truth(value) => value.to_string(),
            Self::Integer(value) => value.to_string(),
            Self::Number(value) => value.to_string(),
            Self::Other(IgnoredAny) => return None,
        };
        Some(text)
            .filter(|text| !text.is_empty())
            .map(PathBuf::from)
    }
}

/// A boolean, or a text with a boolean value.
#[derive(Deserialize)]
#[serde(untagged)]
enum Truth {
    Plain(bool),
    Text(String),
}

impl From<Truth> for bool {
    fn from(value: Truth) -> Self {
        match value {
            Truth::Plain(value) => value,
            // influxd treats any other word as false.
            Truth::Text(text) => truth(&text).unwrap_or(false),
        }
    }
}

impl<'de> Deserialize<'de> for Settings {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(SettingsVisitor)
    }
}

/// Hand-written because derived code can't compare keys case-insensitively.
struct SettingsVisitor;

impl<'de> Visitor<'de> for SettingsVisitor {
    type Value = Settings;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("settings by name")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Settings, A::Error> {
        let mut bolt_path = None;
        let mut use_hashed_tokens = None;
        let mut strong_passwords = None;
        while let Some(key) = map.next_key::<String>()? {
            if key.eq_ignore_ascii_case("bolt-path") {
                bolt_path = map.next_value::<Option<Text>>()?.and_then(Text::into_path);
            } else if key.eq_ignore_ascii_case("use-hashed-tokens") {
                use_hashed_tokens = map.next_value::<Option<Truth>>()?.map(bool::from);
            } else if key.eq_ignore_ascii_case("strong-passwords") {
                strong_passwords = map.next_value::<Option<Truth>>()?.map(bool::from);
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(Settings {
            bolt_path,
            use_hashed_tokens,
            strong_passwords,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::cli::host::processor_time::processor_time;

    fn bolt_path(text: &str, format: Format) -> Result<Option<PathBuf>, InvalidConfig> {
        settings(text, format).map(|settings| settings.bolt_path)
    }

    #[test]
    fn use_hashed_tokens_is_read() {
        for (format, text, expected) in [
            (Format::Toml, "use-hashed-tokens = true", Some(true)),
            (Format::Toml, "use-hashed-tokens = \"false\"", Some(false)),
            (Format::Toml, "bolt-path = \"x\"", None),
            (Format::Json, "{\"Use-Hashed-Tokens\":false}", Some(false)),
            (Format::Yaml, "use-hashed-tokens: true", Some(true)),
            (Format::Yaml, "use-hashed-tokens: \"1\"", Some(true)),
            (Format::Yaml, "use-hashed-tokens:", None),
            (Format::Hcl, "use-hashed-tokens = false", Some(false)),
            (Format::Hcl, "use-hashed-tokens = \"true\"", Some(true)),
        ] {
            let found = settings(text, format).unwrap().use_hashed_tokens;
            assert_eq!(found, expected, "{text}");
        }
    }

    #[test]
    fn keys_are_case_insensitive_in_every_format() {
        let cases = [
            (
                Format::Toml,
                "bolt-path = \"/x/i.bolt\"\n",
                Some("/x/i.bolt"),
            ),
            (Format::Toml, "Bolt-Path = '/x/i.bolt'\n", Some("/x/i.bolt")),
            (
                Format::Toml,
                "# bolt-path = \"/x\"\n[a]\nbolt-path = \"/y\"",
                None,
            ),
            (Format::Toml, "bolt-path = \"\"\n", None),
            (Format::Toml, "", None),
            (
                Format::Json,
                "{\"BOLT-PATH\":\"/x\",\"o\":{\"a\":[1]}}",
                Some("/x"),
            ),
            (Format::Json, "{\"bolt-path\":null}", None),
            (Format::Json, "{}", None),
            (Format::Json, "{\"bolt-path\":[\"/x\"]}", None),
            (Format::Json, "{\"bolt-path\":7}", Some("7")),
            (Format::Toml, "bolt-path = 7\n", Some("7")),
            (Format::Toml, "bolt-path = ['/x']\n", None),
            (Format::Toml, "\u{feff}bolt-path = '/bom'\n", Some("/bom")),
            (Format::Yaml, "\u{feff}bolt-path: /bom\n", Some("/bom")),
            (Format::Yaml, "bolt-path: true\n", Some("true")),
            (Format::Yaml, "bolt-path: ~\n", None),
            (
                Format::Properties,
                "# bolt-path = /no\nbolt-path = /x y\nother\n",
                Some("/x y"),
            ),
            (Format::Properties, "Bolt-Path:/x", Some("/x")),
            (Format::Properties, "bolt-path /x", Some("/x")),
            (Format::Properties, "bolt-path", None),
            (
                Format::Yaml,
                "bolt-path: /x/i.bolt\nhttp: {a: [1, 2]}\n",
                Some("/x/i.bolt"),
            ),
            (Format::Yaml, "---\nbolt-path: \"/x y\"\n", Some("/x y")),
            (Format::Yaml, "# nothing\n", None),
            (Format::Hcl, "Bolt-Path = \"/x\"\n", Some("/x")),
            (Format::Hcl, "{\"bolt-path\": \"/x\"}", Some("/x")),
            (Format::Hcl, "http { bolt-path = \"/x\" }", None),
            (Format::Hcl, "bolt-path = true", Some("true")),
            (Format::Dotenv, "# c\nexport BOLT_PATH=/x\nA: b\n", None),
            (
                Format::Ini,
                "bolt-path = /x\n[default]\nbolt-path = /x\n",
                None,
            ),
            (
                Format::Yaml,
                "x: &a [1]\ny: *a\nbolt-path: /z\n",
                Some("/z"),
            ),
        ];
        for (format, text, wanted) in cases {
            let found = bolt_path(text, format).unwrap();
            assert_eq!(found.as_deref(), wanted.map(Path::new), "{format} {text}");
        }
    }

    #[test]
    fn errors_name_the_line_and_never_quote_the_file() {
        let cases = [
            (Format::Toml, "a = 1\nvault-token = s3cret\n", Some(2)),
            (Format::Json, " \n", Some(2)),
            (Format::Json, "{\n\"vault-token\": s3cret}", Some(2)),
            (Format::Json, "\"s3cret\"", Some(1)),
            (Format::Json, "{\"bolt-path\":[\"s3cret\"}", Some(1)),
            (Format::Yaml, "a: 1\nvault-token: [s3cret\n", Some(2)),
            (Format::Yaml, "s3cret\n", Some(1)),
            (Format::Hcl, "a = 1\nvault-token = s3cret\n", Some(2)),
            (Format::Dotenv, "A=1\nvault-token=s3cret\n", Some(2)),
            (Format::Ini, "[a]\ns3cret\n", Some(2)),
        ];
        for (format, text, line) in cases {
            let invalid = bolt_path(text, format).unwrap_err();
            assert_eq!(invalid.line, line, "{text}");
            assert!(!invalid.to_string().contains("s3cret"), "{invalid}");
        }
    }

    #[test]
    fn bombs_end_quickly() {
        let mut aliases = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
        for n in 1..30 {
            let last = format!("*a{}, ", n - 1).repeat(10);
            aliases.push_str(&format!("a{n}: &a{n} [{}]\n", last.trim_end_matches(", ")));
        }
        let deep = |open: &str, close: &str| open.repeat(200_000) + &close.repeat(200_000);
        let bombs = [
            (Format::Yaml, aliases, false),
            (Format::Yaml, format!("a: {}", deep("[", "]")), false),
            // Unused values are skipped without recursion.
            (Format::Json, format!("{{\"a\":{}}}", deep("[", "]")), true),
            (
                Format::Json,
                format!("{{\"bolt-path\":{}}}", deep("[", "]")),
                false,
            ),
            (Format::Toml, format!("a = {}", deep("[", "]")), false),
            (
                Format::Yaml,
                format!("bolt-path: {}", deep("[", "]")),
                false,
            ),
        ];
        for (format, text, sound) in bombs {
            let (path, took) = processor_time(|| bolt_path(&text, format));
            assert_eq!(path.is_ok(), sound, "{format}");
            assert!(took.as_secs() < 5, "{format}: {took:?}");
        }
    }
}
