//! Finds the databases of this host by influxd's configuration, processes, services and default
//! paths.

mod bounded_reads;
pub mod config;
pub mod discover;
pub(crate) mod processes;
pub(crate) mod services;
pub(crate) mod store_candidates;
