//! `faculty amalgamate --data-free`.

use crate::workplace::{Workplace, bank_rows, travel_rows};

/// Two small teachers that know their trade; no text of theirs is left but what measures.
pub fn place() -> Workplace {
    let place = Workplace::new();
    place.tiny("encoder", ["a", "b"]);
    let options = "--epochs 20 --learning-rate 3e-3 --batch-size 8";
    for (name, rows) in [("bank", bank_rows()), ("travel", travel_rows())] {
        place.labelled(&format!("{name}.jsonl"), &rows);
        place.faculty(&format!("finetune --model encoder --train {name}.jsonl --out teachers/{name} {options}")).good();
    }
    let all: Vec<_> = bank_rows().into_iter().chain(travel_rows()).collect();
    place.labelled("all.jsonl", &all);
    place
}

pub const DATA_FREE: &str = "amalgamate --teacher teachers/bank --teacher teachers/travel --data-free --student encoder \
                         --method vanilla-kd --epochs 25 --learning-rate 3e-3 --batch-size 8";

#[test]
fn teachers_alone_make_a_student_and_say_what_was_read() {
    let place = place();
    let command = format!("{DATA_FREE} --per-class 25 --floor 0.4");
    place.faculty(&format!("{command} --out student --eval all.jsonl")).good();
    let manifest = place.json("student/faculty.json");
    assert_eq!(manifest["text"], serde_json::json!([]), "no file of texts was read");
    let written = place.json("student/written_texts.json");
    let written = written.as_array().unwrap();
    assert_eq!(manifest["texts"].as_u64(), Some(written.len() as u64));
    assert!(written.len() > 40, "{manifest}");
    for text in written {
        assert!(text["probability"].as_f64().unwrap() >= 0.4, "{text}");
        assert!(["bank", "travel"].contains(&text["for"]["teacher"].as_str().unwrap()), "{text}");
    }
    assert!(manifest["written"]["labels"]["bank"]["balance"]["judged"].as_u64().unwrap() > 0);
    let card = std::fs::read_to_string(place.path("student/README.md")).unwrap();
    assert!(card.contains("no text of the tasks: n-grams of the Brown corpus"), "{card}");
    assert!(manifest["eval"]["accuracy"].as_f64().unwrap() > 0.3, "above chance, a quarter: {}", manifest["eval"]);

    place.faculty(&format!("{command} --out student --resume --eval all.jsonl")).good();
    // Not a text of the tasks is left.
    for name in ["bank", "travel", "all"] {
        std::fs::remove_file(place.path(&format!("{name}.jsonl"))).unwrap();
    }
    place.faculty(&format!("{command} --out again")).good();
    let bytes = |dir: &str| std::fs::read(place.path(&format!("{dir}/model.safetensors"))).unwrap();
    assert_eq!(bytes("student"), bytes("again"));
    place
        .faculty(&format!("{DATA_FREE} --per-class 24 --floor 0.4 --out student --resume"))
        .refused(2, &["data_free.per_class: 25 -> 24"]);
}

#[test]
fn texts_are_written_for_the_labels_that_are_asked_for() {
    let place = place();
    let command = DATA_FREE.replace("--epochs 25", "--epochs 2");
    place.faculty(&format!("{command} --per-class 6 --floor 0.4 --only balance,hotel,flight --out some")).good();
    let manifest = place.json("some/faculty.json");
    let labels = manifest["written"]["labels"].as_object().unwrap();
    assert_eq!(labels["bank"].as_object().unwrap().keys().collect::<Vec<_>>(), ["balance"]);
    assert_eq!(labels["travel"].as_object().unwrap().len(), 2);
    for text in place.json("some/written_texts.json").as_array().unwrap() {
        assert_ne!(text["for"]["label"], "pay_bill", "{text}");
    }
    assert_eq!(manifest["label_join"]["left_out"], serde_json::json!(["pay_bill"]));
}

#[test]
fn a_corpus_random_tokens_and_a_language_model_write_too() {
    let place = place();
    let lines =
        |n: usize| format!("the old man went to river {n}\na song for table {n}\nwe cook {n} with music at home\n");
    place.write("general.txt", (0..20).map(lines).collect::<String>());
    let model = faculty_testkit::golden_dir().join("causal/llama.gguf");
    let model = format!("{} --max-tokens 48 --template {{label}}", model.display());
    for (generator, words) in [
        ("n-gram:general.txt --refine".to_owned(), "n-grams of the file general.txt"),
        ("corpus:general.txt".to_owned(), "tasks: the file general.txt"),
        ("corpus".to_owned(), "tasks: the Brown corpus"),
        ("corpus:wordnet".to_owned(), "tasks: the corpus wordnet"),
        ("random-tokens".to_owned(), "random tokens"),
        (format!("{model} --guide 0 --plain"), "told the names of the labels"),
        (format!("{model} --guide-top 4"), "told the names of the labels"),
    ] {
        // Random tokens are for no label.
        let floor = if generator == "random-tokens" { "" } else { "--floor 0" };
        let command = format!(
            "{} --per-class 4 {floor} --generator {generator} --out student --overwrite",
            DATA_FREE.replace("--epochs 25", "--epochs 1")
        );
        place.faculty(&command).good();
        let card = std::fs::read_to_string(place.path("student/README.md")).unwrap();
        assert!(card.contains(words), "{card}");
    }
}

#[test]
fn a_file_of_general_texts_is_read_as_it_is_told() {
    let place = place();
    let line = |n: usize| format!("{{\"id\": \"junk {n}\", \"body\": \"the old man sang of river {n}\"}}\n");
    place.write("general.jsonl", (0..30).map(line).chain(["broken\n".to_owned()]).collect::<String>());
    let command = format!("{} --per-class 8", DATA_FREE.replace("--epochs 25", "--epochs 1"));
    let command = format!("{command} --generator corpus:general.jsonl --out student");
    place.faculty(&command).refused(2, &["general.jsonl", "name the text column"]);
    // Thirty texts for four labels: what there is, once over.
    let run = place.faculty(&format!("{command} --text-column body")).good();
    assert!(run.stderr.contains("general.jsonl") && run.stderr.contains("broken"), "{}", run.stderr);
    let written = place.json("student/written_texts.json");
    assert!((16..=30).contains(&written.as_array().unwrap().len()), "{written}");
    let sung = |text: &serde_json::Value| text["text"].as_str().unwrap().starts_with("the old man sang");
    assert!(written.as_array().unwrap().iter().all(sung));
    let record = &place.json("student/faculty.json")["written"]["corpus_file"];
    assert_eq!(record["file"], "general.jsonl");
    assert_eq!((record["texts"].as_u64(), record["broken"].as_u64()), (Some(30), Some(1)));
    // Of some labels: texts that are surest for those are found among as many drafts.
    place.faculty(&format!("{command} --overwrite --text-column body --only balance,flight")).good();
}

#[test]
fn a_method_may_be_a_table_with_all_its_settings() {
    let place = place();
    let table = |method: &str| {
        let method = format!("method = {method}\n");
        place.write("m.toml", format!("teacher = [\"teachers/bank\", \"teachers/travel\"]\n{method}"));
        let rest = "--data-free --generator random-tokens --per-class 4 --student encoder --epochs 1 --batch-size 8";
        place.faculty(&format!("amalgamate --config m.toml {rest} --out student --overwrite"))
    };
    let guessing = "{ steps = 2, lengths = [4, 8], fresh = 0.5 }";
    table(&format!("{{ kind = \"as-dfd\", guessing = {guessing} }}")).good();
    let steps = &place.json("student/faculty.json")["configuration"]["method"]["guessing"]["steps"];
    assert_eq!(steps.as_u64(), Some(2));
    table("{ kind = \"as-dfd\", guesing = {} }").refused(2, &["m.toml:2", "guesing"]);
    table("{ kind = \"supervised\" }").refused(2, &["trains no student without labels", "as-dfd"]);
    table("5").refused(2, &["m.toml:2", "a table with `kind`"]);
    table("{ kind = \"uhc\" }\ntemperature = 2.0").refused(2, &["temperature", "put it into the table"]);
}

#[test]
fn drafts_of_a_language_model_are_kept_and_used_again() {
    let place = place();
    let model = faculty_testkit::golden_dir().join("causal/llama.gguf");
    let command = format!(
        "{} --per-class 4 --floor 0.1 --generator {} --max-tokens 48 --template {{label}} --guide-top 4",
        DATA_FREE.replace("--epochs 25", "--epochs 1"),
        model.display()
    );
    let first = place.faculty(&format!("{command} --out student")).good();
    assert!(!first.stderr.contains("of an earlier run"), "{}", first.stderr);
    let drafts = place.path("cache/drafts").read_dir().unwrap().count();
    assert_eq!(drafts, 2, "a file a teacher");
    // Another method asks for the same texts, and a lower floor for the same drafts.
    for change in ["--seed 1 --method uhc", "--floor 0"] {
        let command = match change {
            "--floor 0" => command.replace("--floor 0.1", change),
            method => command.replace("--method vanilla-kd", method),
        };
        let again = place.faculty(&format!("{command} --out student --overwrite")).good();
        assert!(again.stderr.contains("of an earlier run"), "{change}: {}", again.stderr);
    }
    assert_eq!(place.path("cache/drafts").read_dir().unwrap().count(), drafts);
    let manifest = place.json("student/faculty.json");
    let configuration = &manifest["configuration"]["data_free"];
    assert_eq!(configuration["source"]["model"].as_str(), Some("llama.gguf"), "no path of this machine");
    assert_eq!(configuration["source"]["sha256"].as_str().map(str::len), Some(64));
    let stop = command.replace("--floor 0.1", "--floor 0.99999 --when-short stop");
    let run = place.faculty(&format!("{stop} --out other"));
    assert_eq!(run.code, 1, "{}", run.stderr);
    assert!(run.stderr.contains("teacher bank: ") && run.stderr.contains("stayed short"), "{}", run.stderr);
    assert!(!place.path("other").exists());
}

#[test]
fn what_contradicts_itself_is_refused() {
    let place = place();
    place.write("texts.txt", "a text\n");
    for (flags, words) in [
        ("--out x --text texts.txt", "--data-free reads none"),
        ("--out x --per-class 0", "key `--per-class`"),
        ("--out x --per-class 99999999999", "1 to 1000000"),
        ("--out x --generator ngram", "there is no generator `ngram`; expected n-gram[:FILE]"),
        ("--out x --generator corpus:teachers", "is a directory"),
        ("--out x --generator corpus --refine", "--refine"),
        ("--out x --generator corpus --most-drafts 3", "--most-drafts"),
        ("--out x --generator some/model --guide 0 --guide-top 4", "--guide-top"),
        ("--out x --floor 2", "key `--floor`"),
        ("--out x --student teacher:5", "key `--student`: teacher 5 of 2"),
        ("--out x --student-layers 9", "key `--student-layers`"),
        ("--out x --max-length 1", "--max-length"),
        ("--out x --student merged --base teachers/bank", "teachers/bank"),
        ("--out x --method zero-shot", "mlm-head"),
        ("--out x --generator n-gram:absent.txt", "absent.txt"),
        ("--out x --generator corpus:", "names no file"),
        ("--out x --generator random-tokens --when-short stop", "--when-short"),
        ("--out x --generator no/such-model", "no/such-model"),
        ("--out x --guide 2", "--generator MODEL"),
        ("--out x --generator some/model --template words", "{label}"),
        ("--out x --generator some/model --guide=-1", "key `--guide`"),
    ] {
        let student = if flags.contains("--student ") { "" } else { "--student encoder" };
        let method = if flags.contains("--method ") { "" } else { "--method vanilla-kd" };
        let rest = DATA_FREE.replace("--student encoder", student).replace("--method vanilla-kd", method);
        place.faculty(&format!("{rest} {flags}")).refused(2, &[words]);
    }
    // None of it cost the writing of a text.
    assert!(!place.path("cache/drafts").exists());
    let with_text = DATA_FREE.replace("--data-free", "--text texts.txt");
    place.faculty(&format!("{with_text} --out x --plain")).refused(2, &["--plain", "--data-free"]);
    place.faculty(&format!("{with_text} --out x --per-class 3")).refused(2, &["--per-class", "--data-free"]);
    place.faculty(&format!("{} --out x", DATA_FREE.replace("--data-free", ""))).refused(2, &["--text", "--data-free"]);
}
