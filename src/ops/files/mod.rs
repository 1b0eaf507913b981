//! Files other than the database.
//!
//! | module | does |
//! | --- | --- |
//! | [`secret_output`] | outputs with secrets, such as `--token-out` and `--capture`: new, private, complete or absent |
//! | [`new_file`] | a new file: its mode, and no name until it is complete |
//! | [`copy`], [`checksums`] | copying, SHA-256 sums |
//! | [`disk`] | the disk calls of export and restore |
//! | [`engine_folder`] | the shards in the engine folder of influxd, by bucket |
//! | [`shard_numbers`] | which bucket the number of a shard belongs to |
//! | [`one_set`] | whether database, SQLite file and engine folder belong together |
//! | [`secret_bytes`] | a secret of unknown length |
//! | [`named_input`] | files that the user names as an input, with a limit for pipes |
//! | [`read_budget`], [`time_limit`] | limits for files and mounts of others |

pub mod checksums;
pub mod copy;
pub mod disk;
pub mod engine_folder;
pub mod named_input;
pub mod new_file;
pub mod one_set;
pub mod read_budget;
pub mod secret_bytes;
pub mod secret_output;
pub mod shard_numbers;
pub mod time_limit;
