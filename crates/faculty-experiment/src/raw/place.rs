//! Where and by what cells were computed: one line before them, so that every cell's machine can be told.

use crate::machine::{CodeVersion, cpu_features, processor, threads};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// The machine and the program of the cells that follow, up to the next such line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunRecord {
    /// Version of the crates.
    pub version: String,
    /// Commit of the checkout the program ran in, if it ran in one.
    pub commit: Option<String>,
    /// `cpu`, `wgpu[:n]` or `cuda[:n]`.
    pub device: String,
    /// The processor's name, where the system tells.
    pub processor: Option<String>,
    /// Instruction sets of the processor that the kernels use.
    pub cpu_features: Vec<String>,
    /// Threads the process may use.
    pub threads: usize,
    /// Operating system and architecture, for example `linux x86_64`.
    pub system: String,
    /// Seconds since 1970 when the run began.
    pub started_unix: u64,
}

impl RunRecord {
    /// This process on this machine.
    pub fn here(device: &str, started_unix: u64) -> Self {
        let code = CodeVersion::find(Path::new("."));
        Self {
            version: code.version,
            commit: code.commit,
            device: device.to_owned(),
            processor: processor(),
            cpu_features: cpu_features(),
            threads: threads(),
            system: format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
            started_unix,
        }
    }

    /// True if `other` differs in nothing but the time.
    pub fn is_same_place(&self, other: &Self) -> bool {
        *self == Self { started_unix: self.started_unix, ..other.clone() }
    }
}
