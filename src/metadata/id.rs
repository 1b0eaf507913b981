//! InfluxDB's identifiers.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A 64-bit identifier, never 0. As text it has 16 lower-case hex digits (upper case is read, never
/// written).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id(std::num::NonZeroU64);

/// Why a text is not an identifier, in influxd's own words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidId {
    /// Not 16 bytes.
    #[error("id must have a length of 16 bytes")]
    Length,
    /// Not hex, or zero.
    #[error("invalid ID")]
    Invalid,
}

impl Id {
    /// `None` for 0.
    #[must_use]
    pub fn new(value: u64) -> Option<Self> {
        std::num::NonZeroU64::new(value).map(Self)
    }

    /// An identifier like those that influxd generates for authorizations and users: 42 bits of
    /// time, 10 bits of a machine number below 1,023 (influxd chooses one each time it starts), and
    /// a 12-bit counter. `None` for a time before 2017-04-09, the start of the time scale.
    ///
    /// Source: `pkg/snowflake/gen.go` in influxdata/influxdb.
    #[must_use]
    pub fn snowflake(unix_millis: i64, machine: u16, count: u16) -> Option<Self> {
        const EPOCH: i64 = 1_491_696_000_000;
        let millis = u64::try_from(unix_millis.checked_sub(EPOCH)?).ok()?;
        let time = millis.checked_shl(22).filter(|time| time >> 22 == millis)?;
        Self::new(time | u64::from(machine % 1023) << 12 | u64::from(count & 0xfff))
    }

    /// An identifier like those that influxd generates for organizations and buckets, from 8 random
    /// bytes. They are part of keys of the storage engine, where three byte values are separators:
    /// those are raised by one. `None` for 0.
    ///
    /// Source: `rand/id.go` in influxdata/influxdb.
    #[must_use]
    pub fn random(bytes: [u8; 8]) -> Option<Self> {
        let fit = bytes.map(|byte| match byte {
            b'\\' | b',' | b' ' => byte + 1,
            other => other,
        });
        Self::new(u64::from_be_bytes(fit))
    }

    /// The number.
    #[must_use]
    pub fn get(self) -> u64 {
        self.0.get()
    }

    /// Reads an identifier from the bytes of a key or value.
    ///
    /// # Errors
    /// When `bytes` is not exactly 16 hex digits, or zero.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, InvalidId> {
        if bytes.len() != 16 {
            return Err(InvalidId::Length);
        }
        let mut value = [0; 8];
        hex::decode_to_slice(bytes, &mut value).map_err(|_| InvalidId::Invalid)?;
        Self::new(u64::from_be_bytes(value)).ok_or(InvalidId::Invalid)
    }

    /// Writes the 16 hex digits into `digits` and returns them.
    fn encode(self, digits: &mut [u8; 16]) -> &str {
        match hex::encode_to_slice(self.get().to_be_bytes(), digits) {
            Ok(()) => std::str::from_utf8(digits).unwrap_or_default(),
            // Unreachable: 8 bytes have 16 digits.
            Err(_) => "",
        }
    }
}

impl FromStr for Id {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        Self::from_bytes(text.as_bytes())
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut digits = [0; 16];
        f.write_str(self.encode(&mut digits))
    }
}

impl Serialize for Id {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // Without the formatter, which is slower: lists contain many identifiers.
        let mut digits = [0; 16];
        serializer.serialize_str(self.encode(&mut digits))
    }
}

#[cfg(test)]
impl schemars::JsonSchema for Id {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Id".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "description": "An ID of InfluxDB: 16 lowercase hexadecimal digits.",
            "type": "string",
            "pattern": "^[0-9a-f]{16}$"
        })
    }
}

impl<'de> Deserialize<'de> for Id {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_number() {
        let id: Id = "08371db24dcc8000".parse().unwrap();
        assert_eq!(id.get(), 0x0837_1db2_4dcc_8000);
        assert_eq!(id.to_string(), "08371db24dcc8000");
        assert_eq!("08371DB24DCC8000".parse(), Ok(id));
    }

    #[test]
    fn snowflakes() {
        // Made by a real server at 2021-09-28T12:55:25.751Z, on machine 200.
        let id = Id::snowflake(1_632_833_725_751, 200, 0).unwrap();
        assert_eq!(id.to_string(), "08371db24dcc8000");
        assert_eq!(Id::snowflake(0, 1, 1), None);
        assert_eq!(Id::snowflake(i64::MAX, 1, 1), None);
    }

    #[test]
    fn random_ones_keep_clear_of_separators() {
        let id = Id::random(*b"\\, abcde").unwrap();
        assert_eq!(id.get().to_be_bytes(), *b"]-!abcde");
        assert_eq!(Id::random([0; 8]), None);
    }

    #[test]
    fn what_is_none() {
        for (text, why) in [
            ("", InvalidId::Length),
            ("08371db24dcc800", InvalidId::Length),
            ("0000000000000000", InvalidId::Invalid),
            ("08371db24dcc800g", InvalidId::Invalid),
            ("+8371db24dcc8000", InvalidId::Invalid),
        ] {
            assert_eq!(text.parse::<Id>(), Err(why), "{text}");
        }
    }
}
