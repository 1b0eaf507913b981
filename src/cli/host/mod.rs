//! What the host tells about its databases: influxd's configuration, processes, services, and
//! the paths where a store may be.

mod bounded_reads;
pub mod config;
pub mod discover;
pub(crate) mod processes;
pub(crate) mod services;
pub(crate) mod store_candidates;
