//! Noise among the transfer texts, few texts per seed, out-of-scope texts.

use crate::support::{Row, declare, rows, shared_out};
use faculty_experiment::{DataPlaces, ExperimentData, read_texts};
use std::collections::HashSet;
use std::path::Path;

fn sets(root: &Path) {
    declare(root, "own", &["a", "b", "c"], "", &[("train", rows("train", 3, 20)), ("test", rows("test", 3, 4))]);
    let plain =
        |what: &str, rows: usize| -> Vec<Row> { (0..rows).map(|row| (format!("{what} {row}"), None)).collect() };
    declare(root, "foreign", &[], "", &[("unlabelled", plain("phrase étrangère", 30))]);
    // Two of these stand in the test split, with other signs.
    let mut beyond = plain("beyond all scope", 10);
    beyond.extend(rows("test", 3, 4).into_iter().take(2).map(|(text, _)| (format!("{text}?"), None)));
    declare(root, "beyond", &[], "", &[("oos", beyond), ("unlabelled", plain("other", 5))]);
}

const OWN: &str = "source = \"own\"\nteacher_count = 1\nteacher_texts_per_class = 5\ntransfer_texts_per_class = 10\n";

fn with(root: &Path, more: &str) -> faculty_core::Result<ExperimentData> {
    shared_out(root, &format!("{OWN}{more}"))
}

#[test]
fn noise_rows_stand_behind_the_transfer_texts_and_have_no_label() {
    let root = tempfile::tempdir().unwrap();
    sets(root.path());
    let noise = "[data.noise]\nnear_duplicates = 0.4\nempty = 0.1\nother = { source = \"foreign\", share = 0.3 }\n";
    let (clean, noisy) = (with(root.path(), "").unwrap(), with(root.path(), noise).unwrap());
    assert_eq!((clean.transfer.len(), &clean.transfer), (30, &noisy.transfer));
    assert_eq!((noisy.noise.near_duplicates, noisy.noise.other, noisy.noise.empty), (12, 9, 3));
    let texts = noisy.transfer_texts();
    assert_eq!(texts.len(), 54);
    assert_eq!(texts[..30], noisy.transfer.texts);
    assert!(texts[42..51].iter().all(|text| text.starts_with("phrase étrangère")));
    assert!(texts[51..].iter().all(String::is_empty));
    for near in &texts[30..42] {
        let words: Vec<&str> = near.split(' ').collect();
        let close = noisy.transfer.texts.iter().any(|text| {
            let whole: Vec<&str> = text.split(' ').collect();
            let dropped = (0..whole.len()).any(|word| [&whole[..word], &whole[word + 1..]].concat() == words);
            let swapped = (0..whole.len() - 1).any(|word| {
                let mut swapped = whole.clone();
                swapped.swap(word, word + 1);
                swapped == words
            });
            dropped || swapped
        });
        assert!(close, "`{near}` is near no transfer text");
    }
    assert_eq!(noisy.training_rows(None, Some(1), false), None);
    assert_eq!(noisy.training_rows(None, Some(1), true), Some((0..30).collect()));
    assert_eq!((noisy.training_texts(None, false), noisy.training_texts(None, true)), (54, 30));
    let other_seed = with(root.path(), &noise.replace("empty", "seed = 2\nempty")).unwrap();
    assert_ne!(other_seed.noise.texts, noisy.noise.texts);
    let lines = noisy.amounts.describe().join("\n");
    assert!(lines.contains("noise rows in the transfer set: 24") && lines.contains("15 to teachers"), "{lines}");
}

#[test]
fn noise_that_the_texts_do_not_give_is_refused() {
    let root = tempfile::tempdir().unwrap();
    sets(root.path());
    let error = with(root.path(), "[data.noise]\nother = { source = \"foreign\", share = 2.0 }").unwrap_err();
    assert!(error.to_string().contains("gives 30 new texts"), "{error}");
    let error = with(root.path(), "[data.noise]\nother = { source = \"foregn\", share = 0.1 }").unwrap_err();
    assert!(error.to_string().contains("did you mean `foreign`?"), "{error}");
    declare(
        root.path(),
        "curt",
        &["a", "b"],
        "",
        &[("train", (0..20).map(|row| (format!("word{row}"), Some(row % 2))).collect()), ("test", rows("test", 2, 1))],
    );
    let curt = "source = \"curt\"\nteacher_count = 1\nteacher_texts_per_class = 2\n[data.noise]\nnear_duplicates = 0.5";
    let error = shared_out(root.path(), curt).unwrap_err().to_string();
    assert!(error.contains("give 0 new near-duplicates"), "{error}");
}

#[test]
fn few_texts_are_drawn_for_every_seed_and_not_by_class() {
    let root = tempfile::tempdir().unwrap();
    sets(root.path());
    let data = with(root.path(), "few_shot_k = 4").unwrap();
    assert_eq!(
        (data.transfer.len(), data.training_texts(data.few_shot, false), data.training_texts(data.few_shot, true)),
        (30, 12, 12)
    );
    let draw = |seed: u64| data.training_rows(data.few_shot, Some(seed), false).unwrap();
    assert_eq!(draw(1), data.training_rows(data.few_shot, Some(1), true).unwrap(), "the ceiling sees the same texts");
    assert_eq!((draw(1), draw(1).len()), (draw(1), 12));
    assert!(draw(1).is_sorted() && draw(1).iter().collect::<HashSet<_>>().len() == 12);
    assert_ne!(draw(1), draw(2));
    let by_class = |seed: u64| -> [usize; 3] {
        let mut counts = [0; 3];
        draw(seed).into_iter().for_each(|row| counts[data.transfer.labels[row]] += 1);
        counts
    };
    assert!((1..20).any(|seed| by_class(seed) != [4, 4, 4]), "a draw by class would always be even");
    assert_eq!(data.training_rows(data.few_shot, None, false), None, "rows without a seed see the whole transfer set");
    assert_eq!(with(root.path(), "few_shot_k = 400").unwrap().few_shot, Some(30));
    // A row may want fewer or more than the others.
    assert_eq!([data.drawn(None), data.drawn(Some(2)), data.drawn(Some(400))], [Some(12), Some(6), Some(30)]);
    assert_eq!(data.training_rows(data.drawn(Some(2)), Some(1), false).unwrap().len(), 6);
    assert!(
        data.training_rows(Some(6), Some(1), false).unwrap().iter().all(|row| draw(1).contains(row)),
        "nested draws"
    );
}

#[test]
fn out_of_scope_texts_come_from_the_split_of_that_name_and_repeat_no_other_part() {
    let root = tempfile::tempdir().unwrap();
    sets(root.path());
    let data = with(root.path(), "out_of_scope = \"beyond\"").unwrap();
    let texts = data.out_of_scope.as_ref().unwrap();
    assert_eq!((texts.len(), data.selection.out_of_scope_repeats), (10, 2));
    assert!(texts.iter().all(|text| text.starts_with("beyond all scope")));
    let few = with(root.path(), "out_of_scope = \"beyond\"\nout_of_scope_texts = 3").unwrap();
    assert_eq!(few.out_of_scope.unwrap(), texts[..3]);
    let plain = with(root.path(), "out_of_scope = \"foreign\"").unwrap();
    assert_eq!(plain.out_of_scope.unwrap().len(), 30);
    assert!(with(root.path(), "").unwrap().out_of_scope.is_none());
    // The embedded CLINC150 has none: those of the folder of that name are meant.
    let error = with(root.path(), "out_of_scope = \"clinc150\"").unwrap_err().to_string();
    assert!(error.contains("data set `clinc150` is not there") && error.contains("oos.jsonl.zst"), "{error}");
}

#[test]
fn a_set_without_labels_cannot_be_the_task() {
    let root = tempfile::tempdir().unwrap();
    sets(root.path());
    let error = shared_out(root.path(), "source = \"foreign\"\nteacher_count = 2").unwrap_err().to_string();
    assert!(error.contains("`foreign` has no labels"), "{error}");
}

#[test]
fn texts_alone_are_read_of_any_set() {
    let root = tempfile::tempdir().unwrap();
    sets(root.path());
    let places = DataPlaces { data_dir: Some(root.path().to_path_buf()), ..DataPlaces::default() };
    assert_eq!(read_texts("foreign", &places).unwrap().texts.len(), 30);
    let own = read_texts("own", &places).unwrap();
    assert_eq!((own.texts.len(), own.texts[0].as_str()), (60, "train row 0 speaks about matter 0"));
    assert_eq!(own.files.len(), 2);
    assert_eq!(read_texts("clinc150", &places).unwrap().texts.len(), 17_982);
    assert!(read_texts("files", &places).is_err() && read_texts("folder:nowhere", &places).is_err());
}
