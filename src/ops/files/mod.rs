//! Files other than the database: outputs, the disk, the engine folder.

pub mod checksums;
pub mod copy;
pub mod disk;
pub mod engine_folder;
pub mod new_file;
pub mod one_set;
pub mod read_budget;
pub mod secret_output;
pub mod time_limit;
