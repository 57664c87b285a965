//! Tasks of pairs of texts: read, made from labelled texts, and learnt from pairs that are written.

use crate::small_world::{Heard, cell, experiment};
use crate::support::{compressed, data_error, declare, rows, shared_out};
use faculty_core::{Silent, hash_bytes, is_pair, join_pair, normal_form, split_pair};
use faculty_experiment::{prepare_experiment, run_experiment};
use faculty_student::MINILM_L3_MLM;
use faculty_textgen::Pairing;
use std::collections::HashSet;

#[test]
fn a_data_folder_may_hold_pairs() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("entailment");
    std::fs::create_dir_all(&dir).unwrap();
    let mut splits = serde_json::Map::new();
    for (split, count) in [("train", 12), ("test", 4)] {
        let line = |n: usize| {
            let (text, second) = (format!("{split} premise {n}"), format!("hypothesis {n}"));
            serde_json::json!({"t": text, "t2": second, "y": n % 2}).to_string() + "\n"
        };
        let bytes = compressed(&(0..count).map(line).collect::<String>());
        std::fs::write(dir.join(format!("{split}.jsonl.zst")), &bytes).unwrap();
        splits.insert(split.to_owned(), serde_json::json!({"rows": count, "sha256": hash_bytes(&bytes)}));
    }
    let meta = serde_json::json!({"labels": ["no", "yes"], "splits": splits});
    std::fs::write(dir.join("META.json"), meta.to_string()).unwrap();
    let section = "source = \"folder:entailment\"\ncontiguous_teachers = 1\nteacher_texts_per_class = 3\ntransfer_texts_per_class = 2";
    let data = shared_out(root.path(), section).unwrap();
    assert_eq!(data.transfer.texts[0], join_pair("train premise 6", "hypothesis 6"));
    assert_eq!((data.teachers[0].texts.len(), data.transfer.len(), data.test.len()), (6, 4, 4));
    // Near-duplicates of pairs are pairs.
    let noisy = shared_out(root.path(), &format!("{section}\nnoise = {{ near_duplicates = 1.0 }}")).unwrap();
    assert!(noisy.noise.len() == 4 && noisy.noise.texts.iter().all(|text| is_pair(text)));
}

#[test]
fn labelled_texts_become_pairs_whose_texts_no_two_parts_share() {
    let root = tempfile::tempdir().unwrap();
    let section = "source = \"clinc150\"\npairs = \"same-class\"\ncontiguous_teachers = 1\nteacher_texts_per_class = 1000\n\
                   transfer_texts_per_class = \"all\"";
    let data = shared_out(root.path(), section).unwrap();
    assert_eq!(data.union.names(), ["different", "same"]);
    assert_eq!(data.teachers[0].texts.len(), 2000);
    for labels in [&data.teachers[0].texts.labels, &data.transfer.labels, &data.test.labels] {
        assert_eq!(2 * labels.iter().filter(|label| **label == 1).count(), labels.len());
    }
    assert!(data.test.len() > 1100 && data.transfer.len() > 6900, "{} {}", data.test.len(), data.transfer.len());
    let mut seen = HashSet::new();
    for pair in [&data.teachers[0].texts.texts, &data.transfer.texts, &data.test.texts].into_iter().flatten() {
        let (first, second) = split_pair(pair).unwrap();
        assert!(seen.insert(normal_form(first)) && seen.insert(normal_form(second)), "{pair}");
    }
    assert!(data.notes.iter().any(|note| note.contains("half of them of one class")), "{:?}", data.notes);
    assert_eq!(shared_out(root.path(), section).unwrap().transfer, data.transfer);
}

#[test]
fn what_cannot_be_made_into_pairs_is_refused() {
    let one = "source = \"clinc150\"\npairs = \"same-class\"\ncontiguous_teachers = 1\n";
    for (more, key) in [
        ("out_of_scope = \"brown\"", "data.out_of_scope"),
        ("noise = { other = { source = \"brown\", share = 0.1 } }", "data.noise.other"),
    ] {
        let error = data_error(&format!("{one}{more}"));
        assert!(error.contains("data.pairs") && error.contains(key), "{error}");
    }
    let root = tempfile::tempdir().unwrap();
    declare(root.path(), "few", &["a", "b"], "", &[("train", rows("train", 2, 20)), ("test", rows("test", 2, 1))]);
    let error =
        shared_out(root.path(), "source = \"few\"\npairs = \"same-class\"\ncontiguous_teachers = 1").unwrap_err();
    assert!(error.to_string().contains("the test split of `few` gives no pairs of both kinds"), "{error}");
}

const TASK: &str = "[data]\nsource = \"words\"\npairs = \"same-class\"\nsplit = \"contiguous\"\nteacher_count = 1\n\
                    teacher_texts_per_class = 20\ntransfer_texts_per_class = 10\n";

fn lines(text: &str) -> String {
    format!(
        "{TASK}[[text]]\nname = \"written\"\nsource = {{ kind = \"corpus\", corpus = \"general\" }}\nper_class = 10\n{text}\n\
         [[row]]\nname = \"written\"\ntext = \"written\"\nmethod = {{ kind = \"vanilla-kd\" }}\n\
         [[row]]\nname = \"task\"\nmethod = {{ kind = \"vanilla-kd\" }}\n"
    )
}

#[test]
fn a_student_learns_from_written_pairs_and_files_show_two_texts() {
    let root = tempfile::tempdir().unwrap();
    let general = |n: usize| (format!("sentence {n} of a book about {}", n % 7), None);
    let options = experiment(root.path(), "pairs", 4, &lines("pairs = { second = [\"next\", \"random\"] }"));
    declare(&root.path().join("sets"), "general", &[], "", &[("unlabelled", (0..40).map(general).collect())]);
    run_experiment(&options, &Heard::default()).unwrap();
    for row in ["written", "task"] {
        assert!(cell(&options, row).metrics.unwrap().accuracy > 0.0, "{row}");
    }
    let folder = options.run_path().join("texts").read_dir().unwrap().next().unwrap().unwrap().path();
    let folder = if folder.join("texts.jsonl").exists() {
        folder
    } else {
        folder.read_dir().unwrap().next().unwrap().unwrap().path()
    };
    let written = std::fs::read_to_string(folder.join("texts.jsonl")).unwrap();
    assert_eq!(written.lines().count(), 20);
    for line in written.lines() {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        assert!(line["text"].as_str().unwrap().starts_with("sentence") && line["text_pair"].is_string(), "{line}");
    }
    let raw = std::fs::read_to_string(options.run_path().join("raw.jsonl")).unwrap();
    assert!(!written.contains("\\u001f") && !raw.contains("\\u001f"), "a separator is in a file");
    assert!(raw.contains(" / sentence"), "samples show both texts");
}

#[test]
fn single_texts_for_a_task_of_pairs_are_refused_and_the_reverse() {
    let root = tempfile::tempdir().unwrap();
    let options = experiment(root.path(), "single", 4, &lines(""));
    declare(&root.path().join("sets"), "general", &[], "", &[("unlabelled", rows("general", 1, 9))]);
    let error = prepare_experiment(&options, &Silent).unwrap_err().to_string();
    assert!(error.contains("text[0].pairs") && error.contains("the task's texts are pairs"), "{error}");
    assert!(error.contains("pairs = {}"), "{error}");
    let made = lines("pairs = {}").replace("pairs = \"same-class\"\n", "");
    let options = experiment(root.path(), "paired", 4, &made);
    let error = prepare_experiment(&options, &Silent).unwrap_err().to_string();
    assert!(error.contains("text[0].pairs") && error.contains("the task's texts are single ones"), "{error}");
    let guessed = lines("pairs = { second = [\"random\"] }").replacen("vanilla-kd", "as-dfd", 1);
    let options = experiment(root.path(), "guessed", 4, &guessed);
    let error = prepare_experiment(&options, &Silent).unwrap_err().to_string();
    assert!(error.contains("guessed embeddings are single texts"), "{error}");
}

#[test]
fn the_masked_language_model_of_pairs_is_the_one_that_faculty_makes() {
    assert_eq!(Pairing::default().masked_lm, MINILM_L3_MLM);
}
