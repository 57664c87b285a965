//! Writing that leaves nothing half-written: files and directories appear complete or not at all.

use crate::{Error, Result};
use std::io::Write;
use std::path::{Path, PathBuf};

/// Writes `bytes` to `path` through a temporary file beside it and a rename.
///
/// # Errors
/// Fails if the parent directory is missing, or the disk is full or read-only; `path` is then untouched.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> Result<()> {
    write_atomically_with(path, |file| file.write_all(bytes).map_err(|e| Error::io("write", path, e)))
}

/// Like [`write_atomically`], for content too large to hold in memory: `write` receives a buffered writer.
///
/// # Errors
/// Fails with what `write` fails with, or if the file cannot be created, flushed or renamed; `path` is then untouched.
pub fn write_atomically_with(path: &Path, write: impl FnOnce(&mut dyn Write) -> Result<()>) -> Result<()> {
    let parent = parent_of(path);
    std::fs::create_dir_all(&parent).map_err(|e| Error::io("create directory", &parent, e))?;
    let file = tempfile::Builder::new()
        .prefix(".faculty-")
        .suffix(".tmp")
        .tempfile_in(&parent)
        .map_err(|e| Error::io("create a file in", &parent, e))?;
    let mut writer = std::io::BufWriter::with_capacity(1 << 18, file.as_file());
    write(&mut writer)?;
    writer.flush().map_err(|e| Error::io("write", path, e))?;
    drop(writer);
    file.as_file().sync_all().map_err(|e| Error::io("write", path, e))?;
    let file = file.persist(path).map_err(|e| Error::io("replace", path, e.error))?;
    make_readable(&file, path)
}

/// Temporary files are private to their owner; what is published follows the usual `rw-r--r--`.
fn make_readable(file: &std::fs::File, path: &Path) -> Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        file.set_permissions(std::fs::Permissions::from_mode(0o644)).map_err(|e| Error::io("set mode of", path, e))?;
    }
    #[cfg(not(unix))]
    let _ = (file, path);
    Ok(())
}

fn parent_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_path_buf(),
        _ => PathBuf::from("."),
    }
}

/// A directory that is filled under a temporary name beside its target and appears under its own name by
/// [`StagedDir::commit`] only. Dropped without a commit, it vanishes.
#[derive(Debug)]
pub struct StagedDir {
    staging: tempfile::TempDir,
    target: PathBuf,
    overwrite: bool,
}

impl StagedDir {
    /// Starts to write `target`.
    ///
    /// # Errors
    /// Fails if `target` exists and `overwrite` is false, or if its parent cannot be written.
    pub fn create(target: &Path, overwrite: bool) -> Result<Self> {
        Self::refuse_existing(target, overwrite)?;
        let parent = parent_of(target);
        std::fs::create_dir_all(&parent).map_err(|e| Error::io("create directory", &parent, e))?;
        let staging = tempfile::Builder::new()
            .prefix(".faculty-")
            .suffix(".tmp")
            .tempdir_in(&parent)
            .map_err(|e| Error::io("create a directory in", &parent, e))?;
        Ok(Self { staging, target: target.to_path_buf(), overwrite })
    }

    /// The check of [`StagedDir::create`] alone, for commands that want to fail before hours of work.
    ///
    /// # Errors
    /// Fails if `target` exists and `overwrite` is false, or if `target` is a file.
    pub fn refuse_existing(target: &Path, overwrite: bool) -> Result<()> {
        if target.is_file() {
            return Err(Error::input("is a file").file(target).expected("a directory that does not exist yet"));
        }
        let occupied = target.read_dir().map(|mut entries| entries.next().is_some()).unwrap_or(false);
        if occupied && !overwrite {
            return Err(Error::input("the output directory exists")
                .file(target)
                .help("pass --overwrite to replace it, or choose another --out"));
        }
        Ok(())
    }

    /// Where to write.
    pub fn path(&self) -> &Path {
        self.staging.path()
    }

    /// Publishes the directory under its own name. Every file in it reaches the disk before the name does.
    ///
    /// # Errors
    /// Fails if a file cannot be synchronised or the rename fails; the target then holds what it held before.
    pub fn commit(self) -> Result<PathBuf> {
        Self::refuse_existing(&self.target, self.overwrite)?;
        sync_tree(self.staging.path())?;
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = std::fs::Permissions::from_mode(0o755);
            std::fs::set_permissions(self.staging.path(), mode)
                .map_err(|e| Error::io("set mode of", &self.target, e))?;
        }
        let aside = self.target.with_extension(format!("old-{}.tmp", std::process::id()));
        let had_old = self.target.exists();
        if had_old {
            std::fs::rename(&self.target, &aside).map_err(|e| Error::io("replace", &self.target, e))?;
        }
        let staged = self.staging.keep();
        if let Err(error) = std::fs::rename(&staged, &self.target) {
            if had_old {
                // Best effort: the rename error below is what the user must see.
                let _ = std::fs::rename(&aside, &self.target);
            }
            let _ = std::fs::remove_dir_all(&staged);
            return Err(Error::io("create", &self.target, error));
        }
        sync_folder(&parent_of(&self.target))?;
        if had_old {
            let _ = std::fs::remove_dir_all(&aside);
        }
        Ok(self.target)
    }
}

/// Asks the system to keep what was created in, renamed into or removed from the folder `path`, so that it survives a
/// power cut. Does nothing where folders cannot be synchronised.
///
/// # Errors
/// Fails if the folder cannot be opened, or the disk reports an error.
pub fn sync_folder(path: &Path) -> Result<()> {
    #[cfg(unix)]
    {
        use std::io::ErrorKind;
        let folder = std::fs::File::open(path).map_err(|e| Error::io("open", path, e))?;
        match folder.sync_all() {
            Ok(()) => Ok(()),
            // Some network file systems.
            Err(error) if matches!(error.kind(), ErrorKind::InvalidInput | ErrorKind::Unsupported) => Ok(()),
            Err(error) => Err(Error::io("write", path, error)),
        }
    }
    #[cfg(not(unix))]
    {
        let _ = path;
        Ok(())
    }
}

/// [`sync_folder`] of a folder and all folders in it, and every file on the way.
fn sync_tree(path: &Path) -> Result<()> {
    let entries = path.read_dir().map_err(|e| Error::io("list", path, e))?;
    for entry in entries {
        let entry = entry.map_err(|e| Error::io("list", path, e))?.path();
        if entry.is_dir() {
            sync_tree(&entry)?;
        } else if entry.is_file() {
            // Windows synchronises files that are open for writing alone.
            let file = std::fs::OpenOptions::new().read(true).write(cfg!(windows)).open(&entry);
            let file = file.map_err(|e| Error::io("open", &entry, e))?;
            file.sync_all().map_err(|e| Error::io("write", &entry, e))?;
        }
    }
    sync_folder(path)
}
