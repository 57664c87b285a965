//! The `faculty` binary. `faculty help` lists its commands.

mod cli;
mod interrupt;
mod memory;
mod panics;
mod progress;

use std::process::ExitCode;

fn main() -> ExitCode {
    // Before any thread exists and any large block is allocated.
    memory::configure_allocator();
    panics::catch(cli::run)
}
