//! `--precision` and `--train-precision`.

use crate::workplace::{Run, Workplace, bank_rows};
use faculty_nn::fused::bf16_is_fast;
use serde_json::Value;

/// The lines of stderr that say what bf16 changes.
fn checks(run: &Run) -> Vec<&str> {
    run.stderr.lines().filter(|line| line.contains("bf16: logits differ by at most ")).collect()
}

/// A warning that bf16 is slow here, exactly where it is.
#[track_caller]
fn warns_where_emulated(run: &Run, flag: &str) {
    let warned = run.stderr.contains(&format!("warning: {flag} bf16: this CPU has no bf16 instructions"));
    assert_eq!(warned, !bf16_is_fast(), "{}", run.stderr);
}

#[test]
fn an_unknown_precision_is_refused_with_the_nearest_name() {
    let place = Workplace::new();
    for command in ["predict", "evaluate", "amalgamate"] {
        place
            .faculty(&format!("{command} --precision bf17"))
            .refused(2, &["--precision", "bf17", "f32, bf16 or auto", "did you mean `bf16`?"]);
    }
    for command in ["finetune", "amalgamate"] {
        let run = place.faculty(&format!("{command} --train-precision bf17"));
        let run = run.refused(2, &["`--train-precision`", "f32, bf16 or auto", "did you mean `bf16`?"]);
        assert!(!run.stderr.contains("`--precision`"), "{}", run.stderr);
    }
    place.write("student.toml", "precision = \"half\"\n");
    place.faculty("amalgamate --config student.toml --out student").refused(2, &["student.toml:1", "half", "`bf16`"]);
}

#[test]
fn help_and_version_say_what_there_is() {
    let place = Workplace::new();
    let help = place.faculty("amalgamate --help").good().stdout;
    assert!(help.contains("--precision") && help.contains("frozen teachers"), "{help}");
    assert!(help.contains("--train-precision"), "{help}");
    for command in ["predict", "evaluate"] {
        let help = place.faculty(&format!("{command} --help")).good().stdout;
        assert!(help.contains("--precision") && help.contains("[default: f32]"), "{help}");
    }
    let version = place.faculty("--version").good().stdout;
    let cpu = version.lines().find_map(|line| line.strip_prefix("cpu:")).unwrap();
    assert_eq!(cpu.split_whitespace().any(|name| name == "avx512_bf16"), bf16_is_fast(), "{version}");
}

#[test]
fn predictions_in_bf16_are_close_and_the_difference_is_printed() {
    let place = Workplace::new();
    place.tiny("model", ["x", "y", "z"]);
    place.write("texts.txt", "pay the bill\nbook a flight\nhotel\nwhat is my balance\n");
    let logits = |precision: &str| {
        let command = format!("predict --model model --text texts.txt --out - --logits --precision {precision}");
        let run = place.faculty(&command).good();
        let lines = run.stdout.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let logits: Vec<f64> = lines
            .flat_map(|line| line["logits"].as_array().unwrap().clone())
            .map(|logit| logit.as_f64().unwrap())
            .collect();
        (logits, run)
    };
    let (full, silent) = logits("f32");
    assert!(checks(&silent).is_empty() && !silent.stderr.contains("warning"), "{}", silent.stderr);
    let (rounded, run) = logits("bf16");
    assert_eq!(checks(&run).len(), 1, "{}", run.stderr);
    assert!(checks(&run)[0].contains("of 4 decisions changed (first 4 texts)"), "{}", run.stderr);
    warns_where_emulated(&run, "--precision");
    let largest = full.iter().zip(&rounded).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    let printed: f64 =
        checks(&run)[0].split("at most ").nth(1).unwrap().split_whitespace().next().unwrap().parse().unwrap();
    assert!(largest > 0.0 && (largest - printed).abs() < 0.1 * largest, "{largest}: {}", run.stderr);

    let (auto, run) = logits("auto");
    assert_eq!(auto, if bf16_is_fast() { rounded } else { full });
    assert!(!run.stderr.contains("warning"), "{}", run.stderr);
}

#[test]
fn evaluation_in_bf16_says_so_in_its_json() {
    let place = Workplace::new();
    place.tiny("model", ["x", "y"]);
    place.labelled("data.jsonl", &[("pay the bill", "x"), ("book a flight", "y")]);
    let run = place.faculty("evaluate --model model --data data.jsonl --precision bf16 --json").good();
    assert_eq!(checks(&run).len(), 1, "{}", run.stderr);
    let found = run.json()["precision"].clone();
    assert_eq!((&found["precision"], &found["texts"]), (&"bf16".into(), &2.into()));
    assert!(found["largest"].as_f64().unwrap() > 0.0, "{found}");
    let plain = place.faculty("evaluate --model model --data data.jsonl --json").good();
    assert!(plain.json().get("precision").is_none() && checks(&plain).is_empty(), "{plain:?}");
}

#[test]
fn frozen_teachers_answer_in_bf16_on_request() {
    let place = Workplace::new();
    place.tiny("one", ["a", "b"]);
    place.tiny("three", ["c", "d"]);
    place.write("texts.txt", "pay the bill\nbook a flight\nhotel\nwhat is my balance\n");
    let amalgamate = |options: &str, out: &str| {
        let command = "amalgamate --teacher one --teacher three --text texts.txt --student teacher:0 --method uniform \
                       --epochs 3 --learning-rate 1e-3";
        let command = format!("{command} {options} --out {out}");
        // A cache of its own: these teachers have not been asked yet.
        let mut process = place.command();
        process.env("FACULTY_CACHE", place.path(&format!("cache-{out}")));
        crate::workplace::run(process.args(command.split_whitespace())).good()
    };
    let weights = |out: &str| std::fs::read(place.path(out).join("model.safetensors")).unwrap();
    assert!(checks(&amalgamate("", "full")).is_empty());
    let run = amalgamate("--precision bf16", "rounded");
    assert_eq!(checks(&run).len(), 2, "{}", run.stderr);
    assert!(checks(&run)[0].starts_with("teacher one, bf16: "), "{}", run.stderr);
    assert!(checks(&run)[1].starts_with("teacher three, bf16: "), "{}", run.stderr);
    warns_where_emulated(&run, "--precision");
    assert_ne!(weights("full"), weights("rounded"));
    let manifest = place.json("rounded/faculty.json");
    assert_eq!(manifest["configuration"]["precision"], "bf16");
    assert_eq!(manifest["configuration"]["settings"]["precision"], "f32");
    assert!(manifest["precision"]["three"]["largest"].as_f64().unwrap() > 0.0, "{manifest}");
    assert!(manifest["cpu_features"].is_array());
    assert_eq!(place.json("full/faculty.json")["configuration"]["precision"], "f32");

    let run = amalgamate("--train-precision bf16", "trained");
    assert!(checks(&run).is_empty(), "the teachers are f32: {}", run.stderr);
    warns_where_emulated(&run, "--train-precision");
    assert_ne!(weights("full"), weights("trained"));

    // The precision is part of what makes a student the same student.
    let command = "amalgamate --teacher one --teacher three --text texts.txt --student teacher:0 --method uniform";
    let resume = format!("{command} --epochs 3 --learning-rate 1e-3 --resume --out full");
    place.faculty(&resume).good();
    place.faculty(&format!("{resume} --precision bf16")).refused(2, &["  precision: \"f32\" -> \"bf16\""]);
    place.faculty(&format!("{resume} --train-precision bf16")).refused(2, &["settings.precision: \"f32\" -> \"bf16\""]);
}

#[test]
fn auto_is_recorded_as_what_ran() {
    let place = Workplace::new();
    place.tiny("encoder", ["a", "b"]);
    place.labelled("train.jsonl", &bank_rows());
    let command = "finetune --model encoder --train train.jsonl --epochs 1 --out model --train-precision auto";
    let run = place.faculty(command).good();
    assert!(!run.stderr.contains("warning"), "{}", run.stderr);
    let ran = if bf16_is_fast() { "bf16" } else { "f32" };
    assert_eq!(place.json("model/faculty.json")["settings"]["precision"], ran);
}
