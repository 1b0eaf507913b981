//! Labels, and the keys of the index of their names.
//!
//! Source: `label/storage_label.go` in influxdata/influxdb.

use serde::Deserialize;

use crate::metadata::Id;

/// A label (`labelsv1`).
#[derive(Debug, Clone, Deserialize)]
pub struct Label {
    /// Its identifier.
    pub id: Id,
    /// The organization it belongs to.
    #[serde(rename = "orgID")]
    pub org_id: Id,
    /// Unique in its organization, whatever the case of its letters.
    #[serde(default)]
    pub name: String,
}

impl Label {
    /// The key of its index entry: the organization's ID, then the name in lower case. influxd gives
    /// both names the same length in bytes: a shorter one ends with zeros, a longer one is cut.
    #[must_use]
    pub fn index_key(&self) -> Vec<u8> {
        let mut key = self.org_id.to_string();
        let length = key.len() + self.name.len();
        // Go changes each character to one other.
        key.extend(self.name.chars().map(|c| {
            let mut lower = c.to_lowercase();
            lower.next().unwrap_or(c)
        }));
        let mut key = key.into_bytes();
        key.resize(length, 0);
        key
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_lower_case() {
        let label = |name: &str| Label {
            id: Id::new(7).unwrap(),
            org_id: Id::new(0xa1).unwrap(),
            name: name.into(),
        };
        for (name, wanted) in [
            ("Prod", "00000000000000a1prod"),
            ("ÄRA Σ", "00000000000000a1ära σ"),
            ("İx", "00000000000000a1ix\0"),
            ("ȺȺȺ", "00000000000000a1ⱥⱥ"),
        ] {
            assert_eq!(label(name).index_key(), wanted.as_bytes(), "{name}");
        }
    }
}
