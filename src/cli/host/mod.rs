//! Finds the databases of this host by influxd's configuration, processes, services and default
//! paths, and in the folders of containers and of other systems.

pub(crate) mod bounded_reads;
mod config_file;
pub mod config_settings;
mod containers;
pub mod discover;
mod environment_file;
mod hcl;
mod influxd_start;
pub(crate) mod installed_influxd;
pub(crate) mod processes;
#[cfg(test)]
mod processor_time;
pub(crate) mod services;
mod specifiers;
pub(crate) mod store_candidates;
mod systemd_unit;
mod users;
mod usual_folders;
