//! `cargo xtask bench`.

use crate::workspace::{become_program, cargo};
use crate::{Result, peers};
use clap::{Args, Subcommand};

/// Benchmarks.
#[derive(Args)]
pub struct Bench {
    #[command(subcommand)]
    which: Option<Which>,
}

#[derive(Subcommand)]
enum Which {
    /// The hot paths, with criterion (the default)
    Criterion {
        /// What `cargo bench` takes beside it
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// faculty against PyTorch on the same batches, rounds interleaved (installs torch from PyPI into target/)
    Peers(peers::Peers),
}

impl Bench {
    /// Runs the chosen benchmark.
    pub fn run(self) -> Result {
        match self.which.unwrap_or(Which::Criterion { arguments: Vec::new() }) {
            Which::Criterion { arguments } => {
                // The profile that everything in the repository is measured with, and with `faculty` beside it the same
                // features: Burn is not built anew.
                let same_build = ["bench", "--profile", "dev", "--package", "faculty-benches", "--package", "faculty"];
                let targets = ["--bench", "decoder", "--bench", "encoder", "--bench", "kernels", "--bench", "losses"];
                become_program(cargo().args(same_build).args(targets).args(arguments))
            }
            Which::Peers(peers) => peers.run(),
        }
    }
}
