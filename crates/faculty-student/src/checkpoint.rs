//! Checkpoints: a training that is killed at any moment goes on from its last one, to the bytes it would have had.
//!
//! ```text
//! <folder>/step-000000120/
//!   network.safetensors     weights by their path
//!   optimizer.safetensors   moments of AdamW; the word table's rows and its history
//!   objective.safetensors   what the objective keeps
//!   state.json              position, curve, what probes found, counters
//!   commit.json             SHA-256 of all others, written last
//! ```
//!
//! A set is filled under a temporary name and renamed when it is whole and on the disk; only then is the one before it
//! removed. What is half-written is ignored, and swept when a training begins.

mod commit;
mod policy;
mod state;

pub use policy::CheckpointPolicy;
pub(crate) use state::{LearnerTensors, SavedEpoch, SavedPoint, SavedProbe, TrainState, WordRows};

use faculty_core::{Error, Event, Observer, Result, StagedDir, sync_folder, write_atomically};
use faculty_hub::{TensorSpec, WeightFiles, write_safetensors_streaming};
use faculty_nn::StateTensor;
use std::borrow::Cow;
use std::path::{Path, PathBuf};

const NETWORK: &str = "network.safetensors";
const OPTIMIZER: &str = "optimizer.safetensors";
const OBJECTIVE: &str = "objective.safetensors";
const STATE: &str = "state.json";
/// In the order of the commit record, which is that of the alphabet.
const FILES: [&str; 4] = [NETWORK, OBJECTIVE, OPTIMIZER, STATE];

/// Where a training is written down, and how often. The folder belongs to this training alone.
#[derive(Debug, Clone, PartialEq)]
pub struct Checkpoints {
    dir: PathBuf,
    key: String,
    policy: CheckpointPolicy,
}

impl Checkpoints {
    /// `key` names whatever determines the training beside its settings, seed and texts: the weights it starts from, the
    /// objective, the device. A checkpoint under another key is passed over.
    pub fn new(dir: impl Into<PathBuf>, key: impl Into<String>, policy: CheckpointPolicy) -> Self {
        Self { dir: dir.into(), key: key.into(), policy }
    }

    /// The folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// A folder below for a part of the training, from 0.
    #[must_use]
    pub fn part(&self, number: usize) -> Self {
        Self { dir: self.dir.join(format!("part-{number}")), ..self.clone() }
    }

    /// Removes the folder: for when the result of the training is safe elsewhere.
    ///
    /// # Errors
    /// Fails if something in it cannot be removed.
    pub fn remove(&self) -> Result<()> {
        match std::fs::remove_dir_all(&self.dir) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Error::io("remove", &self.dir, error)),
            _ => Ok(()),
        }
    }

    pub(crate) fn key(&self) -> &str {
        &self.key
    }

    pub(crate) fn policy(&self) -> CheckpointPolicy {
        self.policy
    }

    /// Removes what a killed process left half-written.
    pub(crate) fn sweep(&self) -> Result<()> {
        for entry in entries(&self.dir) {
            let name = entry.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if name.ends_with(".tmp") && (name.starts_with(".faculty-") || name.contains(".old-")) {
                std::fs::remove_dir_all(&entry).map_err(|error| Error::io("remove", &entry, error))?;
            }
        }
        Ok(())
    }

    /// Writes a set; the one before it is removed once this one is there.
    pub(crate) fn write(&self, state: &TrainState, tensors: Tensors) -> Result<()> {
        let name = format!("step-{:09}", state.step);
        let staged = StagedDir::create(&self.dir.join(&name), true)?;
        let file = |name: &str| staged.path().join(name);
        write_tensors(&file(NETWORK), tensors.network)?;
        write_tensors(&file(OPTIMIZER), tensors.optimizer)?;
        write_tensors(&file(OBJECTIVE), tensors.objective)?;
        let json = serde_json::to_vec(state)
            .map_err(|error| Error::internal("the state of a training cannot be written").source(error))?;
        write_atomically(&file(STATE), &json)?;
        commit::write(staged.path(), &FILES)?;
        let committed = staged.commit()?;
        for old in self.sets().into_iter().filter(|set| *set != committed) {
            std::fs::remove_dir_all(&old).map_err(|error| Error::io("remove", &old, error))?;
        }
        sync_folder(&self.dir)
    }

    /// The newest sound checkpoint of the training with this fingerprint. What cannot be used is reported and left.
    pub(crate) fn newest(&self, fingerprint: &str, observer: &dyn Observer) -> Option<Saved> {
        let sets = self.sets();
        for dir in &sets {
            match Saved::read(dir, fingerprint) {
                Ok(saved) => return Some(saved),
                Err(error) => {
                    let text = format!("a checkpoint is passed over: {error}");
                    observer.on(Event::Warning { text: &text });
                }
            }
        }
        if !sets.is_empty() {
            observer.on(Event::Warning { text: "no checkpoint can be used; the training starts from its beginning" });
        }
        None
    }

    /// The folders of checkpoints, the newest first.
    fn sets(&self) -> Vec<PathBuf> {
        let number = |path: &Path| path.file_name()?.to_str()?.strip_prefix("step-")?.parse::<u64>().ok();
        let mut sets: Vec<(u64, PathBuf)> =
            entries(&self.dir).into_iter().filter_map(|path| Some((number(&path)?, path))).collect();
        sets.sort();
        sets.into_iter().rev().map(|(_, path)| path).collect()
    }
}

/// The tensors of a set.
pub(crate) struct Tensors {
    pub(crate) network: Vec<StateTensor>,
    pub(crate) optimizer: Vec<StateTensor>,
    pub(crate) objective: Vec<StateTensor>,
}

/// A checkpoint on the disk whose files are what was written.
pub(crate) struct Saved {
    dir: PathBuf,
    pub(crate) state: TrainState,
}

impl Saved {
    fn read(dir: &Path, fingerprint: &str) -> Result<Self> {
        commit::verify(dir, &FILES)?;
        let path = dir.join(STATE);
        let bytes = std::fs::read(&path).map_err(|error| Error::io("read", &path, error))?;
        let state: TrainState =
            serde_json::from_slice(&bytes).map_err(|error| Error::input(format!("is broken: {error}")).file(&path))?;
        if state.fingerprint != fingerprint {
            return Err(Error::input("is of another training").file(dir));
        }
        Ok(Self { dir: dir.to_path_buf(), state })
    }

    pub(crate) fn network(&self) -> Result<WeightFiles> {
        WeightFiles::open_file(self.dir.join(NETWORK))
    }

    pub(crate) fn optimizer(&self) -> Result<WeightFiles> {
        WeightFiles::open_file(self.dir.join(OPTIMIZER))
    }

    pub(crate) fn objective(&self) -> Result<WeightFiles> {
        WeightFiles::open_file(self.dir.join(OBJECTIVE))
    }
}

/// Writes tensors one by one; each is let go of when it is written.
fn write_tensors(path: &Path, tensors: Vec<StateTensor>) -> Result<()> {
    let specs: Vec<TensorSpec> = tensors
        .iter()
        .map(|tensor| TensorSpec { name: tensor.name().to_owned(), shape: tensor.shape().to_vec() })
        .collect();
    let mut rest = tensors.into_iter();
    write_safetensors_streaming(path, &specs, &[], |_| match rest.next() {
        Some(tensor) => tensor.into_values().map(Cow::Owned),
        None => Err(Error::internal("a tensor was asked for twice")),
    })
}

fn entries(dir: &Path) -> Vec<PathBuf> {
    dir.read_dir().map(|entries| entries.filter_map(|entry| Some(entry.ok()?.path())).collect()).unwrap_or_default()
}
