//! Building and running the `faculty` binary.

use crate::workspace::{become_program, cargo, root, words};
use crate::{Result, pocket};
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// How `faculty` is built.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct BuildOptions {
    /// The release profile.
    pub release: bool,
    /// Features of the binary.
    pub features: Vec<String>,
}

impl BuildOptions {
    /// Takes `--release` and `--features LIST` out of the arguments of a command. A device that needs a feature brings it
    /// along.
    pub fn take_from(arguments: Vec<String>) -> Result<(Self, Vec<String>)> {
        let mut options = Self::default();
        let mut rest = Vec::with_capacity(arguments.len());
        let mut arguments = arguments.into_iter();
        while let Some(argument) = arguments.next() {
            if argument == "--release" {
                options.release = true;
            } else if argument == "--features" {
                options.add(&arguments.next().ok_or("--features needs a list: wgpu, cuda, hub, parquet")?);
            } else if let Some(list) = argument.strip_prefix("--features=") {
                options.add(list);
            } else {
                rest.push(argument);
            }
        }
        let after = rest.iter().skip_while(|argument| *argument != "--device").nth(1).cloned();
        let device =
            after.or_else(|| rest.iter().find_map(|argument| argument.strip_prefix("--device=").map(str::to_owned)));
        let backend = device.as_deref().and_then(|device| device.split(':').next()).unwrap_or_default();
        if ["wgpu", "cuda"].contains(&backend) && !options.features.iter().any(|feature| feature == backend) {
            options.add(backend);
        }
        Ok((options, rest))
    }

    fn add(&mut self, list: &str) {
        self.features
            .extend(list.split(',').map(|feature| feature.trim().to_owned()).filter(|feature| !feature.is_empty()));
    }
}

/// Builds `faculty` and becomes `faculty <command> <arguments>`, run directories below the top directory.
pub fn run(command: &str, arguments: Vec<String>) -> Result {
    let (options, arguments) = BuildOptions::take_from(arguments)?;
    let mut program = prepare(&options)?;
    program.arg(command).args(&arguments);
    let names_runs_dir =
        arguments.iter().any(|argument| argument == "--runs-dir" || argument.starts_with("--runs-dir="));
    if !names_runs_dir {
        program.arg("--runs-dir").arg(root().join("runs"));
    }
    become_program(&mut program)
}

/// What `assets/NAME` makes in place of a table: models that experiments need and nobody publishes.
const ASSETS: [(&str, &str); 2] = [
    ("assets/mlm-head", "mlm-head"),
    ("assets/mlm-head-wide", "mlm-head --text brown --text wordnet --text wikitext2_vt"),
];

/// Builds `faculty` and runs an experiment, or makes an asset.
pub fn run_experiment(arguments: Vec<String>) -> Result {
    match asset(&arguments) {
        Some(rest) => run_any(rest),
        None => run("experiment", arguments),
    }
}

/// The command that makes an asset, if one is named first.
fn asset(arguments: &[String]) -> Option<Vec<String>> {
    let (first, rest) = arguments.split_first()?;
    let (_, command) = ASSETS.iter().find(|(name, _)| name == first)?;
    Some(command.split(' ').map(str::to_owned).chain(rest.iter().cloned()).collect())
}

/// Builds `faculty` and becomes `faculty <arguments>`.
pub fn run_any(arguments: Vec<String>) -> Result {
    let (options, arguments) = BuildOptions::take_from(arguments)?;
    become_program(prepare(&options)?.args(arguments))
}

/// The built binary, told where the pretrained encoder lies.
pub fn prepare(options: &BuildOptions) -> Result<Command> {
    let mut command = Command::new(build(options)?);
    if std::env::var_os("FACULTY_POCKET_ENCODER").is_none() {
        match pocket::find() {
            Ok(dir) => {
                command.env("FACULTY_POCKET_ENCODER", dir);
            }
            // Not every command needs it, and the one that does says so.
            Err(error) => eprintln!("warning: the pretrained encoder cannot be fetched: {error}"),
        }
    }
    Ok(command)
}

/// Builds `faculty` and returns the path of the binary, as Cargo reports it.
pub fn build(options: &BuildOptions) -> Result<PathBuf> {
    let mut command = cargo();
    command.args(["build", "--package", "faculty", "--bin", "faculty"]);
    command.arg("--message-format=json-render-diagnostics");
    if options.release {
        command.arg("--release");
    }
    if !options.features.is_empty() {
        command.arg("--features").arg(options.features.join(","));
    }
    let output = command
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| format!("cannot start {}: {error}", words(&command)))?;
    if !output.status.success() {
        return Err("faculty does not build".to_owned());
    }
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        .filter(|message| message["target"]["name"] == "faculty")
        .filter_map(|message| message["executable"].as_str().map(PathBuf::from))
        .next_back()
        .ok_or_else(|| "cargo built no binary called faculty".to_owned())
}

#[cfg(test)]
mod tests {
    use super::{BuildOptions, asset};

    fn take(arguments: &str) -> (bool, Vec<String>, String) {
        let (options, rest) =
            BuildOptions::take_from(arguments.split(' ').map(str::to_owned).collect()).unwrap_or_default();
        (options.release, options.features, rest.join(" "))
    }

    #[test]
    fn build_flags_may_stand_anywhere() {
        let found = take("quickstart --release --tier smoke --features hub,wgpu");
        assert_eq!(found, (true, vec!["hub".to_owned(), "wgpu".to_owned()], "quickstart --tier smoke".to_owned()));
        assert!(BuildOptions::take_from(vec!["--features".to_owned()]).is_err());
    }

    #[test]
    fn an_asset_is_made_by_its_command() {
        let arguments = |line: &str| line.split(' ').map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(asset(&arguments("assets/mlm-head --seed 2")), Some(arguments("mlm-head --seed 2")));
        let wide = "mlm-head --text brown --text wordnet --text wikitext2_vt --data-dir data";
        assert_eq!(asset(&arguments("assets/mlm-head-wide --data-dir data")), Some(arguments(wide)));
        assert_eq!(asset(&arguments("quickstart assets/mlm-head")), None);
    }

    #[test]
    fn a_device_brings_its_feature_along() {
        for arguments in ["quickstart --device cuda:1", "quickstart --device=cuda", "x --features cuda --device cuda"] {
            assert_eq!(take(arguments).1, ["cuda"], "{arguments}");
        }
        assert!(take("quickstart --device cpu").1.is_empty());
    }
}
