//! `cargo xtask check`: everything a change must pass, cheapest first.

use crate::faculty::{BuildOptions, prepare};
use crate::workspace::{cargo, files, output, relative, root, run};
use crate::{Result, tidy};
use clap::Args;
use std::time::Instant;

/// What is checked.
#[derive(Args)]
pub struct Check {
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
        let start = Instant::now();
        step("format", || run(cargo().args(["fmt", "--all", "--", "--check"])))?;
        step("tidy", tidy::check)?;
        step("experiments and README commands", || {
            plan_experiments()?;
            tidy::readme::check()
        })?;
        step("clippy", || {
            run(cargo().args(["clippy", "--quiet", "--workspace", "--all-targets", "--", "--deny", "warnings"]))
        })?;
        step("rustdoc", || {
            run(cargo().env("RUSTDOCFLAGS", "-D warnings").args(["doc", "--quiet", "--workspace", "--no-deps"]))
        })?;
        println!("check passed in {:.1} s", start.elapsed().as_secs_f64());
        Ok(())
    }
}

fn step(name: &str, work: impl FnOnce() -> Result) -> Result {
    let start = Instant::now();
    println!("check: {name} ...");
    work().map_err(|error| format!("check: {name}: {error}"))?;
    println!("check: {name}: {:.1} s", start.elapsed().as_secs_f64());
    Ok(())
}

/// Every file below experiments/ can be planned: its keys, its tiers, its data.
fn plan_experiments() -> Result {
    let experiments = files(&root().join("experiments"), "toml");
    if experiments.is_empty() {
        return Err("there is no file below experiments/".to_owned());
    }
    let build = BuildOptions::default();
    for file in &experiments {
        let plan = output(prepare(&build)?.arg("experiment").arg(file).arg("--dry-run"))?;
        println!("  {}: {} lines of plan", relative(file), plan.lines().count());
    }
    Ok(())
}
