//! Files written at run time.

use faculty_core::Result;
use faculty_text::{Corpus, ReadOptions, read_corpus};
use std::path::{Path, PathBuf};

/// A directory with one data file.
pub struct Fixture {
    dir: tempfile::TempDir,
    pub path: PathBuf,
}

impl Fixture {
    pub fn new(name: &str, content: impl AsRef<[u8]>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(name);
        std::fs::write(&path, content).unwrap();
        Self { dir, path }
    }

    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    pub fn read(&self, options: &ReadOptions) -> Result<Corpus> {
        read_corpus(&self.path, options)
    }

    pub fn corpus(&self) -> Corpus {
        self.read(&ReadOptions::default()).unwrap()
    }

    /// The error of reading, which must name the file.
    pub fn error(&self, options: &ReadOptions) -> String {
        let error = self.read(options).expect_err("must be refused");
        assert_eq!(error.exit_code(), 2, "{error}");
        let message = error.to_string();
        assert!(message.starts_with(&self.path.display().to_string()), "no file in: {message}");
        message.replace(&self.dir.path().display().to_string(), "")
    }
}

/// (line, reason) of every broken row kept.
pub fn broken(corpus: &Corpus) -> Vec<(u64, &str)> {
    corpus.report.broken.iter().map(|row| (row.line, row.reason.as_str())).collect()
}
