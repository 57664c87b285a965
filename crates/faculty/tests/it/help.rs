//! Help texts, devices, exit codes of wrong arguments.

use crate::workplace::Workplace;

#[test]
fn every_command_shows_examples() {
    let place = Workplace::new();
    let commands = [
        "finetune",
        "amalgamate",
        "merge",
        "mlm-head",
        "audit",
        "evaluate",
        "predict",
        "inspect",
        "experiment",
        "table",
        "data",
    ];
    for command in commands {
        let help = place.faculty(&format!("{command} --help")).good().stdout;
        assert!(help.contains("Examples:") && help.contains(&format!("faculty {command} ")), "{command}: {help}");
    }
    let help = place.faculty("--help").good().stdout;
    assert!(help.contains("Exit codes") && !help.contains("bench-peer"), "{help}");
}

#[test]
fn wrong_arguments_are_input_errors() {
    let place = Workplace::new();
    place.faculty("predikt").refused(2, &["predikt", "predict"]);
    place.faculty("inspect x --device gpu").refused(2, &["gpu", "cpu, wgpu[:n] or cuda[:n]"]);
    place.faculty("inspect").refused(2, &["MODEL"]);
    place.faculty("inspect x --threads 0").refused(2, &["--threads"]);
}

#[cfg(not(feature = "cuda"))]
#[test]
fn a_device_that_is_not_built_in_is_a_clear_error() {
    let place = Workplace::new();
    place.tiny("model", ["x", "y"]);
    place.write("texts.txt", "pay");
    place
        .faculty("predict --model model --text texts.txt --out out.jsonl --device cuda:0")
        .refused(2, &["cuda", "--features cuda"]);
    assert!(!place.path("out.jsonl").exists());
}

#[test]
fn an_experiment_that_does_not_exist_suggests_the_nearest() {
    let place = Workplace::new();
    place.write("experiments/quickstart.toml", "schema = 1\n");
    place.faculty("experiment quikstart").refused(2, &["quikstart", "did you mean `quickstart`?"]);
    place.faculty("table quickstart").refused(2, &["raw.jsonl"]);
}
