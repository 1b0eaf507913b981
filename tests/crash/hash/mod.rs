//! `hash` and `residue scrub` on a device of the tests: power fails and disks fail at any moment,
//! tokens are searched for byte by byte, and what authenticated before authenticates after.

mod authenticates;
mod disk_errors;
mod power_failures;
mod stores;
