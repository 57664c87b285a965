//! `faculty experiment` and `faculty table`, on files of this test alone.

use crate::workplace::{Workplace, bank_rows, travel_rows};

/// Two teachers of two labels each, and one student.
pub const FILE: &str = "
schema = 1
[table]
title = \"Two tiny teams\"
metric = \"accuracy\"
seeds = [1]
[data]
source = \"files\"
train_file = \"../all.jsonl\"
test_file = \"../test.jsonl\"
teacher_texts_per_class = 8
transfer_texts_per_class = 5
[[data.teacher]]
name = \"bank\"
labels = [\"balance\", \"pay_bill\"]
[[data.teacher]]
name = \"travel\"
labels = [\"flight\", \"hotel\"]
[teacher]
init = \"encoder\"
[teacher.train]
epochs = 2
[student]
init = \"encoder\"
[[row]]
name = \"UHC\"
method = { kind = \"uhc\" }
";

fn place() -> Workplace {
    place_with(FILE)
}

/// A place with texts of four labels, an encoder, and `experiments/tiny.toml`.
pub fn place_with(file: &str) -> Workplace {
    let place = Workplace::new();
    place.tiny("encoder", ["a", "b"]);
    let all: Vec<_> = bank_rows().into_iter().chain(travel_rows()).collect();
    place.labelled("all.jsonl", &all);
    // Texts that measure must not be among those that train.
    let others: Vec<(String, &str)> = all.iter().map(|(text, label)| (format!("{text} at home"), *label)).collect();
    place.labelled("test.jsonl", &others.iter().map(|(text, label)| (text.as_str(), *label)).collect::<Vec<_>>());
    place.write("experiments/tiny.toml", file);
    place
}

#[test]
fn a_run_prints_its_table_and_the_same_command_again_reuses_it() {
    let place = place();
    let plan = place.faculty("experiment tiny --dry-run").good().stdout;
    assert!(plan.contains("UHC, seed 1") && !place.path("runs").exists(), "{plan}");

    let first = place.faculty("experiment tiny").good();
    assert!(first.stdout.contains("Two tiny teams") && first.stdout.contains("1 cells computed"), "{}", first.stdout);
    assert!(first.stdout.contains("page     runs/tiny/table.html"), "{}", first.stdout);
    assert!(
        first.stdout.contains("report   runs/tiny/table.md") && first.stdout.contains("next  "),
        "{}",
        first.stdout
    );
    let again = place.faculty("experiment tiny --resume --json").good().json();
    assert_eq!((again["computed"].as_u64(), again["reused"].as_u64()), (Some(0), Some(1)));

    place.faculty("experiment tiny --set student.train.epochs=9").refused(2, &["student.train.epochs"]);
    assert!(place.faculty("table tiny").good().stdout.contains("| UHC"));
    place.faculty("table tiny --check").good();
    let page = place.faculty("table tiny --format html").good().stdout;
    assert_eq!(page, std::fs::read_to_string(place.path("runs/tiny/table.html")).unwrap());
    place.write("runs/tiny/table.md", "better numbers\n");
    place.faculty("table tiny --check").refused(1, &["table.md:1"]);
}

#[test]
fn a_precision_other_than_f32_is_named_in_the_table_and_makes_another_run() {
    let place = place();
    let bf16 = "--set scan.precision=bf16 --set student.train.precision=bf16";
    let run = place.faculty(&format!("experiment tiny {bf16}")).good();
    for words in ["precision bf16: every answer of a teacher", "precision bf16: students are trained"] {
        assert!(run.stdout.contains(words), "{}", run.stdout);
    }
    assert!(!run.stdout.contains("teachers are fine-tuned with"), "{}", run.stdout);
    for teacher in ["bank", "travel"] {
        assert!(run.stderr.contains(&format!("teacher {teacher}, bf16: logits differ")), "{}", run.stderr);
    }
    let manifest = place.json("runs/tiny/manifest.json");
    let expected = serde_json::json!({"scan": "bf16", "teacher_training": "f32", "student_training": "bf16"});
    assert_eq!(manifest["precision"], expected);
    assert!(manifest["cpu_features"].is_array());
    let raw = std::fs::read_to_string(place.path("runs/tiny/raw.jsonl")).unwrap();
    let setup: serde_json::Value = raw.lines().map(|line| serde_json::from_str(line).unwrap()).nth(1).unwrap();
    assert_eq!((&setup["record"], &setup["precision"]), (&"setup".into(), &expected));
    assert!(setup["teachers"][0]["precision"]["largest"].as_f64().unwrap() > 0.0, "{setup}");

    place.faculty("experiment tiny").refused(2, &["scan.precision", "student.train.precision"]);
    let plain = place.faculty("experiment tiny --overwrite").good();
    assert!(!plain.stdout.contains("bf16") && !plain.stderr.contains("bf16"), "{plain:?}");
    place.faculty("experiment tiny --set scan.precision=b16 --dry-run").refused(2, &["scan.precision", "bf16"]);
}

#[test]
fn a_mistyped_key_is_named_with_its_line() {
    let place = place();
    place.write("experiments/tiny.toml", FILE.replace("epochs = 2", "epoch = 2"));
    place.faculty("experiment tiny --dry-run").refused(2, &["tiny.toml:", "epoch", "did you mean `epochs`?"]);
}

#[test]
fn published_raw_lines_are_found_by_name_and_the_last_ones_count() {
    let place = place();
    place.faculty("experiment tiny").good();
    let raw = std::fs::read_to_string(place.path("runs/tiny/raw.jsonl")).unwrap();
    place.write("results/tiny/2026-01-01-host/raw.jsonl", "no raw line\n");
    place.write("results/tiny/2026-01-02-host/raw.jsonl", &raw);
    place.write("results/tiny/2026-01-02-host/table.md", "better numbers\n");
    place.faculty("table results/tiny").good();
    std::fs::remove_dir_all(place.path("runs")).unwrap();
    let table = place.faculty("table tiny").good().stdout;
    assert!(table.contains("| UHC"), "{table}");
    place.faculty("table tiny --check").refused(1, &["2026-01-02-host/table.md:1"]);
    place.write("results/tiny/2026-01-02-host/table.md", &table);
    place.faculty("table tiny --check").good();
}

/// A label-free row and the ceiling, whose students are kept.
const KEPT: &str = "
[[row]]
name = \"MUKI\"
method = { kind = \"muki\", passes = 4 }
[[row]]
name = \"concat\"
method = { kind = \"concat\" }
[[row]]
name = \"ceiling\"
method = { kind = \"supervised\" }
";

#[test]
fn a_curve_is_measured_beside_the_training_and_changes_no_student() {
    let file = FILE.replace("seeds = [1]\n", "seeds = [1]\nkeep_students = \"all\"\n") + KEPT;
    let (plain, drawn) = (place_with(&file), place_with(&file));
    plain.faculty("experiment tiny").good();
    // All of the 60 measuring texts, so that the end of a curve is the result.
    let curve = "--set table.curve={points=2,texts=500}";
    drawn.faculty(&format!("experiment tiny --tensorboard {curve}")).good();
    drawn.faculty("table tiny --check").good();
    for row in ["uhc", "muki", "ceiling", "concat"] {
        let cell = format!("runs/tiny/cells/{row}/{}", if row == "concat" { "fixed" } else { "seed-1" });
        let result = |of: &Workplace| of.json(&format!("{cell}/result.json"));
        let (without, with) = (result(&plain), result(&drawn));
        assert_eq!(without["config_hash"], with["config_hash"], "{row}");
        assert_eq!(without["metrics"], with["metrics"], "{row}");
        assert!(without["details"].get("accuracy").is_none(), "{row}");
        let points = with["details"]["accuracy"].as_array().unwrap();
        let steps: Vec<u64> = points.iter().map(|point| point["step"].as_u64().unwrap()).collect();
        let last = with["steps"].as_u64().unwrap();
        assert_eq!(steps, if row == "concat" { vec![0] } else { vec![last.div_ceil(2), last] }, "{row}");
        assert_eq!(points.last().unwrap()["accuracy"], with["metrics"]["accuracy"], "{row}");
        assert!(points.iter().all(|point| point["texts"] == with["metrics"]["texts"]), "{row}");
        if row == "concat" {
            continue;
        }
        let student = |of: &Workplace| std::fs::read(of.path(&format!("{cell}/student/model.safetensors"))).unwrap();
        assert!(student(&plain) == student(&drawn), "{row}: measuring on the way changes the student");
        let log = std::fs::read_to_string(drawn.path(&format!("{cell}/metrics.jsonl"))).unwrap();
        assert_eq!(log.matches("eval/accuracy_sample").count(), 2, "{log}");
        let without: Vec<String> = std::fs::read_to_string(plain.path(&format!("{cell}/metrics.jsonl")))
            .unwrap()
            .lines()
            .map(str::to_owned)
            .collect();
        assert_eq!(log.lines().last(), without.last().map(String::as_str), "the last line is the measured student");
    }
    let page = |of: &Workplace| std::fs::read_to_string(of.path("runs/tiny/table.html")).unwrap();
    assert!(page(&drawn).contains("id=\"training-accuracy-title\"") && !page(&plain).contains("training-accuracy"));
    // One run directory, one kind of raw lines.
    plain.faculty(&format!("experiment tiny {curve}")).refused(2, &["table.curve.points"]);
}
