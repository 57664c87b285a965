//! `cargo xtask check`: everything a change must pass, cheapest first.

use crate::faculty::{BuildOptions, prepare};
use crate::workspace::{cargo, files, output, relative, root, run};
use crate::{Result, tidy};
use clap::Args;
use std::time::Instant;

/// A step of the check.
type Step = (&'static str, fn() -> Result);

/// The steps, cheapest first.
const STEPS: [Step; 5] =
    [("format", format), ("tidy", tidy::check), ("commands", commands), ("clippy", clippy), ("rustdoc", rustdoc)];

/// What is checked.
#[derive(Args)]
pub struct Check {
    /// Only these steps: format, tidy, commands (experiment files and README), clippy, rustdoc
    steps: Vec<String>,
    /// Type-check the wgpu and cuda builds instead (needs no GPU and no LLVM; not part of CI)
    #[arg(long)]
    gpu: bool,
    /// Apply formatting and stop
    #[arg(long, conflicts_with = "gpu")]
    fix: bool,
}

impl Check {
    /// Runs the steps; each one is named and timed, and the first failure ends the run.
    pub fn run(&self) -> Result {
        if self.fix {
            return step("format", || run(cargo().args(["fmt", "--all"])));
        }
        if self.gpu {
            return step("type-check with wgpu and cuda", || {
                // With this variable the build scripts below CUDA skip the download of LLVM: enough to check types.
                run(cargo().env("DOCS_RS", "1").args(["check", "--package", "faculty", "--features", "wgpu,cuda"]))
            });
        }
        if let Some(unknown) = self.steps.iter().find(|name| STEPS.iter().all(|(known, _)| known != name)) {
            let known = STEPS.map(|(name, _)| name).join(", ");
            return Err(format!("there is no step `{unknown}`; expected {known}"));
        }
        let start = Instant::now();
        for (name, work) in STEPS {
            if self.steps.is_empty() || self.steps.iter().any(|wanted| wanted == name) {
                step(name, work)?;
            }
        }
        println!("check passed in {:.1} s", start.elapsed().as_secs_f64());
        Ok(())
    }
}

fn format() -> Result {
    run(cargo().args(["fmt", "--all", "--", "--check"]))
}

fn clippy() -> Result {
    run(cargo().args(["clippy", "--quiet", "--workspace", "--all-targets", "--", "--deny", "warnings"]))
}

fn rustdoc() -> Result {
    run(cargo().env("RUSTDOCFLAGS", "-D warnings").args(["doc", "--quiet", "--workspace", "--no-deps"]))
}

fn commands() -> Result {
    plan_experiments()?;
    tidy::readme::check()
}

fn step(name: &str, work: impl FnOnce() -> Result) -> Result {
    let start = Instant::now();
    println!("check: {name} ...");
    work().map_err(|error| format!("check: {name}: {error}"))?;
    println!("check: {name}: {:.1} s", start.elapsed().as_secs_f64());
    Ok(())
}

/// Every file below experiments/ can be planned: its keys, its tiers, and its data where that is here.
fn plan_experiments() -> Result {
    let mut experiments = files(&root().join("experiments"), "toml");
    // What other files extend is no experiment of its own.
    experiments.retain(|file| !file.parent().is_some_and(|folder| folder.ends_with("base")));
    if experiments.is_empty() {
        return Err("there is no file below experiments/".to_owned());
    }
    let build = BuildOptions::default();
    for file in &experiments {
        let plan = output(prepare(&build)?.arg("experiment").arg(file).args(["--dry-run", "--allow-missing-data"]))?;
        println!("  {}: {} lines of plan", relative(file), plan.lines().count());
    }
    Ok(())
}
