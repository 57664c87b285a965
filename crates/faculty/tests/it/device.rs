//! What a GPU makes of it, beside the CPU: `cargo test -p faculty --features wgpu --test it device`. Mesa's lavapipe will do, a Vulkan
//! device in software (minutes, most of them the compilation of kernels).

use crate::data_free::{DATA_FREE, place};
use crate::workplace::{Workplace, run};
use serde_json::Value;

const LLAMA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../faculty-testkit/golden/causal/llama.gguf");

/// Why there is nothing to compare with, if there is not.
fn absent(place: &Workplace) -> Option<String> {
    let probe = place.faculty("predict --model teachers/bank --text bank.jsonl --out probe.jsonl --device wgpu");
    if probe.code == 0 {
        return None;
    }
    assert!(probe.code == 2 && probe.stderr.contains("`wgpu` is not available"), "{}", probe.stderr);
    Some(probe.stderr)
}

/// Runs a command on both devices, each into a place of its own and with a cache of its own.
fn on_both(place: &Workplace, command: &str, name: &str) -> [String; 2] {
    ["cpu", "wgpu"].map(|device| {
        let out = format!("{device}-{name}");
        let mut program = place.command();
        program.env("FACULTY_CACHE", place.path(&format!("{device}-cache")));
        run(program.args(format!("{command} --device {device} --out {out}").split_whitespace())).good();
        out
    })
}

fn lines(place: &Workplace, name: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(place.path(name)).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Texts are the same to the letter; what a teacher says of them is as good as the same.
fn assert_same_texts(texts: &[Value], others: &[Value], name: &str) {
    assert!(!texts.is_empty() && texts.len() == others.len(), "{name}: {} {}", texts.len(), others.len());
    for (text, other) in texts.iter().zip(others) {
        assert_eq!(text["text"], other["text"], "{name}");
        let said = |text: &Value| text["probability"].as_f64().unwrap_or(0.0);
        assert!((said(text) - said(other)).abs() < 1e-4, "{name}: {text} {other}");
    }
}

#[test]
fn texts_and_students_are_those_of_the_cpu() {
    let place = place();
    if let Some(reason) = absent(&place) {
        eprintln!("skipped: {reason}");
        return;
    }
    for (name, steering) in [("asked", ""), ("guided", "--guide 1 --temperature 1.5"), ("prefix", "--prefix 2")] {
        let command = format!(
            "generate --teacher teachers/bank --generator {LLAMA} --max-tokens 12 --per-class 2 --floor 0 --most-drafts 10 {steering}"
        );
        let [cpu, gpu] = on_both(&place, &command, &format!("{name}.jsonl"));
        assert_same_texts(&lines(&place, &cpu), &lines(&place, &gpu), name);
    }
    place.faculty("mlm-head --model encoder --text all.jsonl --epochs 1 --batch-size 8 --out generator").good();
    place.write(
        "rewritten.toml",
        "method = { kind = \"zero-shot\", adversary = { kind = \"mlm\", generator = \"generator\" } }\n",
    );
    let command = DATA_FREE.replace("--epochs 25", "--epochs 1").replace(" --method vanilla-kd", "");
    let methods =
        ["faculty-data-free", "muki", "contrastive", "backward-kd", "stratanet", "tail-judge", "aug-kd", "as-dfd"];
    let methods = methods.map(|method| (method, format!("--method {method} --per-class 20 --floor 0.4")));
    let rewritten = ("zero-shot", "--config rewritten.toml --generator corpus --per-class 20 --floor 0.4".to_owned());
    for (method, options) in methods.into_iter().chain([rewritten]) {
        let [cpu, gpu] = on_both(&place, &format!("{command} {options}"), method);
        if method != "as-dfd" {
            let texts = |out: &str| place.json(&format!("{out}/written_texts.json")).as_array().unwrap().clone();
            assert_same_texts(&texts(&cpu), &texts(&gpu), method);
        }
        let last_loss = |out: &str| {
            let curve = place.json(&format!("{out}/faculty.json"))["curve"].as_array().unwrap().clone();
            curve.last().unwrap()["loss"].as_f64().unwrap()
        };
        let (here, there) = (last_loss(&cpu), last_loss(&gpu));
        assert!((here - there).abs() < 0.02 * here.abs(), "{method}: {here} on the CPU, {there} on the GPU");
    }
}
