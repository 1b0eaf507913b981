//! InfluxDB's buckets: list.

pub mod list;
