//! What a manifest says of program and machine.

use faculty_core::hash_file;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// The program that ran.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CodeVersion {
    /// Version of the crates.
    pub version: String,
    /// Commit of the checkout the program ran in, if it ran in one. `FACULTY_COMMIT` wins.
    pub commit: Option<String>,
    /// SHA-256 of the `Cargo.lock` of that checkout.
    pub lock_sha256: Option<String>,
}

impl CodeVersion {
    /// Looks at `FACULTY_COMMIT`, then upwards from `start` for a checkout.
    pub fn find(start: &Path) -> Self {
        let start = start.canonicalize().unwrap_or_else(|_| start.to_path_buf());
        let root = start.ancestors().find(|dir| dir.join("Cargo.lock").is_file()).map(Path::to_path_buf);
        let commit = std::env::var("FACULTY_COMMIT").ok().filter(|commit| !commit.is_empty());
        Self {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            commit: commit.or_else(|| root.as_deref().and_then(head_commit)),
            lock_sha256: root.and_then(|root| hash_file(&root.join("Cargo.lock")).ok()),
        }
    }
}

/// The commit that `HEAD` names, read from the files of the repository.
fn head_commit(root: &Path) -> Option<String> {
    let git = git_dir(root)?;
    let head = std::fs::read_to_string(git.join("HEAD")).ok()?;
    let Some(reference) = head.trim().strip_prefix("ref: ") else { return commit(head.trim()) };
    // A worktree keeps its branches in the common directory.
    let common = std::fs::read_to_string(git.join("commondir")).map(|dir| git.join(dir.trim())).unwrap_or(git);
    if let Ok(text) = std::fs::read_to_string(common.join(reference)) {
        return commit(text.trim());
    }
    let packed = std::fs::read_to_string(common.join("packed-refs")).ok()?;
    packed.lines().find_map(|line| commit(line.strip_suffix(reference)?.trim_end()))
}

fn git_dir(root: &Path) -> Option<PathBuf> {
    let git = root.join(".git");
    if git.is_dir() {
        return Some(git);
    }
    let text = std::fs::read_to_string(git).ok()?;
    Some(root.join(text.trim().strip_prefix("gitdir: ")?))
}

fn commit(text: &str) -> Option<String> {
    (matches!(text.len(), 40 | 64) && text.bytes().all(|byte| byte.is_ascii_hexdigit())).then(|| text.to_owned())
}

/// The largest resident memory of this process so far, in bytes, where the system tells (`VmHWM`).
pub fn peak_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}

/// The instruction sets of the processor that the kernels use, for example `avx512`, `avx512_bf16`, `amx_bf16`.
pub fn cpu_features() -> Vec<String> {
    faculty_nn::fused::features().into_iter().map(str::to_owned).collect()
}

/// The name of the processor, where the system tells it (`/proc/cpuinfo`).
pub(crate) fn processor() -> Option<String> {
    let info = std::fs::read_to_string("/proc/cpuinfo").ok()?;
    let line = info.lines().find(|line| line.starts_with("model name"))?;
    let (_, name) = line.split_once(':')?;
    Some(name.trim().to_owned()).filter(|name| !name.is_empty())
}

/// Threads this process may use.
pub fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}
