use crate::{Error, Result};
use std::fs::{File, TryLockError};
use std::io::ErrorKind;
use std::path::Path;

/// Takes the lock of an open file, which the system releases when the process ends, however it ends. False if another process
/// holds it. A file system without locks (some network ones) counts as taken: what two processes garble there is found when
/// it is read.
///
/// # Errors
/// Fails if the lock cannot be asked for; `path` names the file.
pub fn try_lock(file: &File, path: &Path) -> Result<bool> {
    match file.try_lock() {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(error)) if error.kind() == ErrorKind::Unsupported => Ok(true),
        Err(TryLockError::Error(error)) => Err(Error::io("lock", path, error)),
    }
}

/// Takes the lock of an open file, waiting for another process that holds it: for work of seconds that is done once for all.
/// A file system without locks counts as one where nobody else is at work.
///
/// # Errors
/// Fails if the lock cannot be asked for; `path` names the file.
pub fn wait_for_lock(file: &File, path: &Path) -> Result<()> {
    match file.lock() {
        Err(error) if error.kind() != ErrorKind::Unsupported => Err(Error::io("lock", path, error)),
        _ => Ok(()),
    }
}
