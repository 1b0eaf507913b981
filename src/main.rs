//! The `boltkey` binary: hands the process's arguments to [`boltkey::cli::run`].

use std::process::ExitCode;

fn main() -> ExitCode {
    boltkey::cli::run()
}
