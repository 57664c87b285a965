//! The floors of the house: a crate uses crates on lower floors only, and some libraries live in one crate alone.

use crate::Result;
use crate::workspace::{cargo, output};
use std::collections::BTreeMap;

/// Every crate and its floor. Crates of one floor never meet.
const FLOORS: &[(&str, u32)] = &[
    ("faculty-core", 0),
    ("faculty-nn", 1),
    ("faculty-hub", 1),
    ("faculty-text", 1),
    ("faculty-model", 2),
    ("faculty-teacher", 3),
    ("faculty-uncertainty", 3),
    ("faculty-losses", 3),
    ("faculty-student", 3),
    ("faculty-textgen", 3),
    ("faculty-methods", 4),
    ("faculty-experiment", 5),
    ("faculty", 6),
    ("xtask", 7),
];

/// Crates beside the house: they may use any floor, and only tests and benches may use them.
const BESIDE: &[&str] = &["faculty-testkit", "faculty-tests", "faculty-benches"];

/// Libraries that only these crates may use.
const OWNED: &[(&str, &[&str])] = &[
    ("safetensors", &["faculty-hub"]),
    ("hf-hub", &["faculty-hub"]),
    ("tokenizers", &["faculty-text"]),
    ("parquet", &["faculty-text"]),
    ("gemm", &["faculty-nn"]),
    ("config", &["faculty-experiment"]),
    ("clap", &["faculty", "xtask"]),
    ("indicatif", &["faculty"]),
    ("pocket-encoder", &["xtask"]),
];

/// Crates that never link Burn.
const WITHOUT_BURN: &[&str] = &["faculty-core", "faculty-hub", "faculty-text", "xtask"];

/// Adds a finding for every dependency that goes up or sideways.
pub fn check(findings: &mut Vec<String>) -> Result {
    let text = output(cargo().args(["metadata", "--quiet", "--no-deps", "--format-version", "1"]))?;
    let metadata: serde_json::Value =
        serde_json::from_str(&text).map_err(|error| format!("cargo metadata: {error}"))?;
    let floors: BTreeMap<&str, u32> = FLOORS.iter().copied().collect();
    let packages = metadata["packages"].as_array().map(Vec::as_slice).unwrap_or_default();
    for package in packages {
        let name = package["name"].as_str().unwrap_or_default();
        if BESIDE.contains(&name) {
            continue;
        }
        let Some(floor) = floors.get(name) else {
            findings.push(format!("{name} stands on no floor: give it one in xtask/src/tidy/floors.rs"));
            continue;
        };
        for dependency in package["dependencies"].as_array().into_iter().flatten() {
            let (used, kind) = (dependency["name"].as_str().unwrap_or_default(), dependency["kind"].as_str());
            // Tests may use what they like.
            if kind == Some("dev") {
                continue;
            }
            findings.extend(objection(name, *floor, used, &floors).map(|why| format!("{name} uses {used}: {why}")));
        }
    }
    Ok(())
}

fn objection(name: &str, floor: u32, used: &str, floors: &BTreeMap<&str, u32>) -> Option<String> {
    if BESIDE.contains(&used) {
        return Some("only tests and benches may".to_owned());
    }
    if let Some(other) = floors.get(used)
        && (*other >= floor || name == "xtask")
    {
        return Some(match name {
            "xtask" => "xtask links no Faculty crate".to_owned(),
            _ => format!("floor {other} is not below floor {floor}"),
        });
    }
    if (used == "burn" || used.starts_with("burn-")) && WITHOUT_BURN.contains(&name) {
        return Some("this crate does without Burn".to_owned());
    }
    let (_, owners) = OWNED.iter().find(|(library, _)| *library == used)?;
    (!owners.contains(&name)).then(|| format!("only {} may", owners.join(" and ")))
}
