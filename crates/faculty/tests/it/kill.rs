//! `kill -9` and full disks in the middle of an experiment, and what the next run makes of it: the bytes of a run that
//! nothing happened to.
#![cfg(unix)]

use crate::experiment::{FILE, place_with};
use crate::workplace::{Workplace, read_json, run};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

/// Updates of a cell: 12 passes of 5 batches.
const UPDATES: usize = 60;

/// Two rows whose students are kept and measured on their way, the second one under a curriculum.
fn place() -> Workplace {
    let file = FILE
        .replace("seeds = [1]\n", "seeds = [1]\nkeep_students = \"all\"\ncurve = { points = 7, texts = 9 }\n")
        .replace("epochs = 2\n", "epochs = 5\nbatch_size = 4\n")
        .replace("[[row]]", "[student.train]\nepochs = 12\nbatch_size = 4\n[[row]]");
    place_with(&(file + MUKI))
}

const MUKI: &str = "
[[row]]
name = \"MUKI\"
method = { kind = \"muki\", passes = 4 }
[row.curriculum]
unix = { keep = 0.9, mix = true }
kd3 = { threshold = 0.0, quota = 0.0 }
student_noise = { drop = 0.1, mask = 0.1 }
";

fn names(dir: &Path) -> Vec<String> {
    let entries = dir.read_dir().map(|all| all.map(|e| e.unwrap().file_name().into_string().unwrap()).collect());
    let mut names: Vec<String> = entries.unwrap_or_default();
    names.sort();
    names
}

/// The last update that is written down of a training in one of the folders below `trainings`.
fn written(place: &Workplace, trainings: &str) -> usize {
    let trainings = place.path(&format!("runs/tiny/checkpoints/{trainings}"));
    let sets = names(&trainings).into_iter().flat_map(|training| names(&trainings.join(training)));
    sets.filter_map(|name| name.strip_prefix("step-")?.parse().ok()).max().unwrap_or(0)
}

/// Starts the experiment with a checkpoint every update, waits until update `target` of a training is written or all of
/// them are over, and a moment more, and kills it: no handler runs, no destructor. True if it was still alive.
fn kill_at(place: &Workplace, trainings: &str, target: usize, over: impl Fn() -> bool, draws: &mut Draws) -> bool {
    let threads = (1 + draws.below(2)).to_string();
    let mut child = place
        .command()
        .args(["experiment", "tiny", "--checkpoint-steps", "1", "--threads", &threads])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    while child.try_wait().unwrap().is_none() && written(place, trainings) < target && !over() {
        std::thread::sleep(Duration::from_micros(300));
    }
    std::thread::sleep(Duration::from_micros(300 * draws.below(40) as u64));
    let alive = child.try_wait().unwrap().is_none();
    let _ = child.kill();
    child.wait().unwrap();
    alive
}

/// Every file of a cell must be what it is in `expected`; of the result all but times and memory.
fn assert_same_cell(place: &Workplace, expected: &Workplace, row: &str) {
    let cell = |place: &Workplace| place.path(&format!("runs/tiny/cells/{row}/seed-1"));
    let (found, expected) = (cell(place), cell(expected));
    assert_eq!(names(&found), names(&expected), "{row}");
    let result = |dir: &Path| {
        let mut result = read_json(&dir.join("result.json"));
        for measured in ["seconds", "peak_memory_bytes"] {
            result.as_object_mut().unwrap().remove(measured).expect(measured);
        }
        result
    };
    assert_eq!(result(&found), result(&expected), "{row}");
    assert_eq!(result(&found)["status"], "ok", "{row}");
    let files = |dir: &Path| names(dir).into_iter().filter(|name| name.ends_with(".jsonl")).collect::<Vec<_>>();
    let student = |dir: &Path| names(&dir.join("student")).into_iter().map(|name| format!("student/{name}"));
    for name in files(&expected).into_iter().chain(student(&expected)) {
        let bytes = |dir: &Path| std::fs::read(dir.join(&name)).unwrap();
        assert!(bytes(&found) == bytes(&expected), "{row}: {name} differs");
    }
}

/// The same run without any accident, and without checkpoints.
fn reference() -> Workplace {
    let place = place();
    place.faculty("experiment tiny --checkpoint-seconds 0 --threads 1").good();
    assert!(!place.path("runs/tiny/checkpoints").exists());
    let epochs = std::fs::read_to_string(place.path("runs/tiny/cells/muki/seed-1/epochs.jsonl")).unwrap();
    assert_eq!(epochs.lines().count(), 12);
    assert!(epochs.contains("dropped_by_unix"), "{epochs}");
    let curve = &read_json(&place.path("runs/tiny/cells/muki/seed-1/result.json"))["details"]["accuracy"];
    assert_eq!(curve.as_array().unwrap().len(), 7, "{curve}");
    place
}

/// Numbers that look random.
struct Draws(u64);

impl Draws {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % bound
    }
}

#[test]
fn twenty_kills_at_random_steps_change_no_byte() {
    let (place, expected) = (place(), reference());
    let mut draws = Draws(7);
    let mut kills = 0;
    for _ in 0..4 {
        let target = 1 + draws.below(15);
        let trained =
            || names(&place.path("runs/tiny/teachers")).iter().filter(|name| !name.starts_with('.')).count() == 2;
        kills += usize::from(kill_at(&place, "teachers", target, trained, &mut draws));
    }
    for row in ["uhc", "muki"] {
        let trainings = format!("cells/{row}");
        let mut steps: Vec<usize> = (0..8).map(|_| 1 + draws.below(UPDATES - 2)).collect();
        steps.sort_unstable();
        for step in steps {
            let target = step.max(written(&place, &trainings) + 1);
            let committed = || place.path(&format!("runs/tiny/cells/{row}/seed-1/commit.json")).exists();
            kills += usize::from(kill_at(&place, &trainings, target, committed, &mut draws));
        }
    }
    assert!(kills >= 15, "only {kills} of 20 met a living process");
    let last = place.faculty("experiment tiny --checkpoint-steps 7 --threads 2").good();
    assert!(!last.stderr.contains("passed over"), "{}", last.stderr);
    for row in ["uhc", "muki"] {
        assert_same_cell(&place, &expected, row);
        assert!(!place.path(&format!("runs/tiny/checkpoints/cells/{row}/seed-1")).exists(), "a finished cell has none");
    }
    let teachers = names(&expected.path("runs/tiny/teachers"));
    assert_eq!(names(&place.path("runs/tiny/teachers")), teachers);
    for teacher in teachers {
        let weights = |of: &Workplace| {
            std::fs::read(of.path(&format!("runs/tiny/teachers/{teacher}/model.safetensors"))).unwrap()
        };
        assert!(weights(&place) == weights(&expected), "{teacher}");
    }
    let again = place.faculty("experiment tiny --json").good().json();
    assert_eq!(again["computed"].as_u64(), Some(0));
}

#[test]
fn a_disk_that_fills_up_costs_checkpoints_and_no_correctness() {
    let (place, expected) = (place(), reference());
    place.faculty("experiment tiny --only UHC").good();
    let mut warned = 0;
    // A limit on the size of files, in blocks of 512 or 1024 bytes as the shell counts, stands in for a full disk: the
    // first leave no room for any tensor file, the next for some of them.
    for blocks in [8, 60, 100, 150, 200, 300] {
        let shell = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" \"$@\"");
        let faculty = place.command();
        let mut limited = Command::new("sh");
        limited.args(["-c", &shell]).arg(faculty.get_program()).current_dir(place.path(""));
        limited.args(["experiment", "tiny", "--checkpoint-steps", "9"]);
        let limited = run(&mut limited);
        assert!(!limited.stderr.contains("panicked"), "{}", limited.stderr);
        warned += limited.stderr.matches("no checkpoint was written").count();
        if limited.code == 0 {
            break;
        }
    }
    assert!(warned > 0, "the disk was never full");
    place.faculty("experiment tiny").good();
    for row in ["uhc", "muki"] {
        assert_same_cell(&place, &expected, row);
    }
}
