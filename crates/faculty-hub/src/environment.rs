//! The environment variables this crate honours, as plain data: read once, given to functions, never written.

use faculty_core::{Error, Result};
use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};

/// Values of environment variables; [`Environment::from_process`] reads them. An empty variable counts as absent, and a
/// leading `~/` means the home directory.
#[derive(Clone, Default)]
pub struct Environment {
    /// The user's home directory.
    pub home: Option<PathBuf>,
    /// `XDG_CACHE_HOME`; the usual place is `~/.cache`.
    pub xdg_cache_home: Option<PathBuf>,
    /// `LOCALAPPDATA` (Windows).
    pub local_app_data: Option<PathBuf>,
    /// `HF_HOME`; the usual place is `~/.cache/huggingface`.
    pub hf_home: Option<PathBuf>,
    /// `HF_HUB_CACHE`; the usual place is `$HF_HOME/hub`.
    pub hf_hub_cache: Option<PathBuf>,
    /// `HF_TOKEN_PATH`; the usual place is `$HF_HOME/token`.
    pub hf_token_path: Option<PathBuf>,
    /// `HF_TOKEN`. Never shown by [`fmt::Debug`].
    pub hf_token: Option<String>,
    /// `HF_ENDPOINT`; usually <https://huggingface.co>.
    pub hf_endpoint: Option<String>,
    /// `HF_HUB_OFFLINE` (or `TRANSFORMERS_OFFLINE`): never use the network.
    pub hf_hub_offline: bool,
    /// `FACULTY_CACHE`: where Faculty keeps what it can make again.
    pub faculty_cache: Option<PathBuf>,
    /// `FACULTY_POCKET_ENCODER`: the directory of the crate `pocket-encoder`, or of its assets.
    pub faculty_pocket_encoder: Option<PathBuf>,
    /// `CARGO_HOME`; the usual place is `~/.cargo`.
    pub cargo_home: Option<PathBuf>,
}

impl Environment {
    /// Reads the variables of this process.
    pub fn from_process() -> Self {
        let home = std::env::home_dir().filter(|home| !home.as_os_str().is_empty());
        let value = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        let path = |name: &str| value(name).map(|value| expand_home(value, home.as_deref()));
        let text = |name: &str| value(name).and_then(|value| value.into_string().ok());
        let truth = |name: &str| {
            text(name).is_some_and(|text| matches!(text.to_ascii_uppercase().as_str(), "1" | "ON" | "YES" | "TRUE"))
        };
        Self {
            xdg_cache_home: path("XDG_CACHE_HOME"),
            local_app_data: path("LOCALAPPDATA"),
            hf_home: path("HF_HOME"),
            hf_hub_cache: path("HF_HUB_CACHE").or_else(|| path("HUGGINGFACE_HUB_CACHE")),
            hf_token_path: path("HF_TOKEN_PATH"),
            hf_token: text("HF_TOKEN").or_else(|| text("HUGGING_FACE_HUB_TOKEN")),
            hf_endpoint: text("HF_ENDPOINT"),
            hf_hub_offline: truth("HF_HUB_OFFLINE") || truth("TRANSFORMERS_OFFLINE"),
            faculty_cache: path("FACULTY_CACHE"),
            faculty_pocket_encoder: path("FACULTY_POCKET_ENCODER"),
            cargo_home: path("CARGO_HOME"),
            home,
        }
    }

    /// Where Faculty keeps what it can make again: `FACULTY_CACHE`, else `faculty` in the user's cache directory
    /// (`XDG_CACHE_HOME`, `~/.cache`; `~/Library/Caches` on macOS, `LOCALAPPDATA` on Windows).
    ///
    /// # Errors
    /// Fails if no variable and no home directory says where.
    pub fn cache_root(&self) -> Result<PathBuf> {
        if let Some(root) = &self.faculty_cache {
            return Ok(root.clone());
        }
        let in_home = |place: &str| self.home.as_ref().map(|home| home.join(place));
        let base = match &self.xdg_cache_home {
            Some(xdg) => Some(xdg.clone()),
            None if cfg!(target_os = "macos") => in_home("Library/Caches"),
            None if cfg!(windows) => self.local_app_data.clone().or_else(|| in_home("AppData/Local")),
            None => in_home(".cache"),
        };
        base.map(|base| base.join("faculty"))
            .ok_or_else(|| Error::input("there is no home directory").help("set FACULTY_CACHE to a directory"))
    }

    /// The cache of the Hugging Face Hub: `HF_HUB_CACHE`, `$HF_HOME/hub`, `$XDG_CACHE_HOME/huggingface/hub` or
    /// `~/.cache/huggingface/hub`.
    ///
    /// # Errors
    /// Fails if no variable and no home directory says where.
    pub fn hub_cache(&self) -> Result<PathBuf> {
        match &self.hf_hub_cache {
            Some(cache) => Ok(cache.clone()),
            None => Ok(self.hugging_face_home()?.join("hub")),
        }
    }

    fn hugging_face_home(&self) -> Result<PathBuf> {
        let base = || self.xdg_cache_home.clone().or_else(|| self.home.as_ref().map(|home| home.join(".cache")));
        self.hf_home
            .clone()
            .or_else(|| base().map(|base| base.join("huggingface")))
            .ok_or_else(|| Error::input("there is no home directory").help("set HF_HOME to a directory"))
    }

    /// The access token: `HF_TOKEN`, or the file that `hf auth login` writes.
    #[cfg(feature = "hub")]
    pub(crate) fn token(&self) -> Option<String> {
        let from_file = || {
            let path = self.hf_token_path.clone().or_else(|| Some(self.hugging_face_home().ok()?.join("token")))?;
            std::fs::read_to_string(path).ok()
        };
        let token = self.hf_token.clone().or_else(from_file)?;
        Some(token.trim().to_owned()).filter(|token| !token.is_empty())
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Environment")
            .field("hf_hub_cache", &self.hf_hub_cache)
            .field("hf_home", &self.hf_home)
            .field("hf_endpoint", &self.hf_endpoint)
            .field("hf_token", &self.hf_token.as_ref().map(|_| "(hidden)"))
            .field("hf_hub_offline", &self.hf_hub_offline)
            .field("faculty_cache", &self.faculty_cache)
            .field("faculty_pocket_encoder", &self.faculty_pocket_encoder)
            .finish_non_exhaustive()
    }
}

/// [`Environment::cache_root`] of this process.
///
/// # Errors
/// Fails if no variable and no home directory says where.
pub fn cache_root() -> Result<PathBuf> {
    Environment::from_process().cache_root()
}

fn expand_home(value: OsString, home: Option<&Path>) -> PathBuf {
    let path = PathBuf::from(value);
    match (path.strip_prefix("~"), home) {
        (Ok(rest), Some(home)) => home.join(rest),
        _ => path,
    }
}
