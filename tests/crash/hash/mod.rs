//! `hash` and `residue scrub` on a simulated disk: power or the disk fails at any moment, the file is
//! searched for tokens byte by byte, and tokens that authenticated before do so after.

mod authenticates;
mod disk_errors;
mod power_failures;
mod stores;
