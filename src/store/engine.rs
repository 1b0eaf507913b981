//! The two storage engines by name.

use serde::Serialize;

/// A storage engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Engine {
    /// InfluxDB's own `influxd.bolt`.
    Bolt,
    /// The redb library.
    Redb,
}

impl Engine {
    /// Its name in reports and on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Bolt => "bolt",
            Self::Redb => "redb",
        }
    }
}
