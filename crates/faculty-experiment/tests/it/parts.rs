//! What must hold of every way to share texts out: no text in two parts, every label covered, every row accounted for.

use crate::support::{Row, declare, shared_out};
use faculty_core::{Stream, normal_form};
use faculty_experiment::ExperimentData;
use std::collections::HashSet;
use std::path::Path;

fn check_parts(data: &ExperimentData, what: &str) {
    let mut parts: Vec<&Vec<String>> = data.teachers.iter().map(|teacher| &teacher.texts.texts).collect();
    parts.extend([&data.transfer.texts, &data.test.texts, &data.noise.texts]);
    parts.extend(&data.out_of_scope);
    let mut seen = HashSet::new();
    for part in parts {
        let part: HashSet<String> = part.iter().filter(|text| !text.is_empty()).map(|text| normal_form(text)).collect();
        for text in part {
            assert!(seen.insert(text.clone()), "`{text}` is in two parts: {what}");
        }
    }
    let owned: HashSet<&String> = data.teachers.iter().flat_map(|teacher| teacher.labels.names()).collect();
    let union: HashSet<&String> = data.union.names().iter().collect();
    assert_eq!(owned, union, "{what}");
    for part in [&data.transfer, &data.test] {
        let classes: HashSet<usize> = part.labels.iter().copied().collect();
        assert_eq!(classes.len(), data.union.len(), "every class is there: {what}");
        assert_eq!(part.texts.len(), part.labels.len());
    }
    for teacher in &data.teachers {
        let classes: HashSet<usize> = teacher.texts.labels.iter().copied().collect();
        assert_eq!(classes.len(), teacher.labels.len(), "{what}");
    }
    let amounts = &data.amounts;
    let spent = amounts.teachers + amounts.transfer + amounts.duplicates + amounts.foreign + amounts.unused;
    assert_eq!(spent, amounts.train(), "{what}: {amounts:?}");
    assert_eq!((amounts.transfer, amounts.measuring), (data.transfer.len(), data.test.len()));
}

/// Rows of unequal classes, with repetitions inside the split and of other splits.
fn messy(what: &str, labels: usize, stream: Stream) -> Vec<Row> {
    let mut rows = Vec::new();
    for label in 0..labels {
        let each = 30 + stream.below_at(label as u64, 30) as usize;
        rows.extend((0..each).map(|row| (format!("{what} words {row} on {label}"), Some(label))));
    }
    stream.fork(1).shuffle(&mut rows);
    let repeated: Vec<Row> = rows.iter().step_by(9).map(|(text, label)| (format!("{text}!"), *label)).collect();
    rows.extend(repeated);
    rows
}

fn write_sets(root: &Path) {
    let names = ["a", "b", "c", "d", "e", "f", "g", "h"];
    let one = Stream::new(7, "first set");
    let train = messy("one", 8, one);
    let mut test = messy("one test", 8, one.fork(2));
    test.extend(train.iter().step_by(20).cloned());
    declare(root, "one", &names, "domains = [\"x\", \"y\", \"z\", \"w\"]", &[("train", train), ("test", test)]);
    let other = ["g", "h", "i", "j"];
    let two = Stream::new(8, "second set");
    let oos: Vec<Row> = (0..40).map(|row| (format!("nobody asked {row}"), None)).collect();
    let splits = [
        ("train", messy("two", 4, two)),
        ("dev", messy("two dev", 4, two.fork(3))),
        ("test", messy("two test", 4, two.fork(2))),
    ];
    declare(root, "two", &other, "", &splits);
    let plain: Vec<Row> = (0..200).map(|row| (format!("autre texte {row}"), None)).collect();
    declare(root, "plain", &[], "", &[("unlabelled", plain), ("oos", oos)]);
}

#[test]
fn no_text_is_in_two_parts_whatever_the_settings() {
    let root = tempfile::tempdir().unwrap();
    write_sets(root.path());
    let stream = Stream::new(1, "settings");
    let one_of =
        |counter: u64, choices: &[&str]| choices[stream.below_at(counter, choices.len() as u64) as usize].to_owned();
    for trial in 0..80_u64 {
        let at = |question: u64| 100 * trial + question;
        let amounts = ["2", "5", "\"30%\"", "\"50%\""];
        let mut lines = vec![
            "source = \"one\"".to_owned(),
            format!("teacher_texts_per_class = {}", one_of(at(0), &amounts)),
            format!("transfer_texts_per_class = {}", one_of(at(1), &["3", "\"20%\"", "\"all\""])),
            format!("test_texts_per_class = {}", one_of(at(2), &["2", "\"50%\"", "\"all\""])),
        ];
        let split = one_of(at(3), &["\"contiguous\"", "\"interleaved\"", "{ random = 5 }", "\"domains\""]);
        lines.push(format!("split = {split}"));
        if split != "\"domains\"" {
            lines.push(format!("teacher_count = {}", one_of(at(4), &["1", "2", "3", "4"])));
        }
        lines.push(one_of(at(5), &["", "shared_labels = 1", "shared_labels = 2"]));
        lines.push(one_of(at(6), &["", "dev_share = 0.1", "dev_share = 0.3\nevaluate_on = \"dev\""]));
        lines
            .push(one_of(at(7), &["", "out_of_scope = \"plain\"", "out_of_scope = \"plain\"\nout_of_scope_texts = 7"]));
        lines.push(one_of(
            at(8),
            &[
                "",
                "few_shot_k = 2",
                "[data.noise]\nnear_duplicates = 0.5\nempty = 0.1",
                "[data.noise]\nnear_duplicates = 0.2\nother = { source = \"plain\", share = 0.2 }",
            ],
        ));
        let lines = lines.join("\n");
        let data = shared_out(root.path(), &lines).unwrap_or_else(|error| panic!("{lines}\n{error}"));
        check_parts(&data, &lines);
        let again = shared_out(root.path(), &lines).unwrap();
        assert_eq!((&again.transfer, &again.test, &again.noise), (&data.transfer, &data.test, &data.noise), "{lines}");
    }
}

#[test]
fn several_sets_are_shared_out_like_one() {
    let root = tempfile::tempdir().unwrap();
    write_sets(root.path());
    let sets = "teacher_texts_per_class = 5\ndev_share = 0.2\n[[data.set]]\nsource = \"one\"\n[[data.set]]\nsource = \"two\"\n";
    for prefix in ["", "prefix_labels = true\n"] {
        let data = shared_out(root.path(), &format!("{prefix}{sets}")).unwrap();
        check_parts(&data, sets);
        assert_eq!(data.union.len(), if prefix.is_empty() { 10 } else { 12 });
    }
}

#[test]
fn a_share_is_that_of_every_class() {
    let root = tempfile::tempdir().unwrap();
    let text = |index: usize| format!("sentence {index} of many");
    let mut train: Vec<Row> = (0..20).map(|index| (text(index), Some(0))).collect();
    train.extend((20..24).map(|index| (text(index), Some(1))));
    let test = vec![("one more".to_owned(), Some(0)), ("and another".to_owned(), Some(1))];
    declare(root.path(), "uneven", &["large", "small"], "", &[("train", train), ("test", test)]);
    let data = shared_out(
        root.path(),
        "source = \"uneven\"\nteacher_count = 1\nteacher_texts_per_class = \"50%\"\ntransfer_texts_per_class = \"all\"",
    )
    .unwrap();
    let of = |labels: &[usize], class: usize| labels.iter().filter(|&&label| label == class).count();
    assert_eq!((of(&data.teachers[0].texts.labels, 0), of(&data.teachers[0].texts.labels, 1)), (10, 2));
    assert_eq!((of(&data.transfer.labels, 0), of(&data.transfer.labels, 1)), (10, 2));
}

#[test]
fn a_carved_development_split_moves_no_part() {
    let root = tempfile::tempdir().unwrap();
    write_sets(root.path());
    let lines = "source = \"one\"\nteacher_count = 2\nteacher_texts_per_class = 5\ndev_share = 0.2\n";
    let on_test = shared_out(root.path(), lines).unwrap();
    let on_dev = shared_out(root.path(), &format!("{lines}evaluate_on = \"dev\"\n")).unwrap();
    assert_eq!(on_test.transfer, on_dev.transfer);
    for (left, right) in on_test.teachers.iter().zip(&on_dev.teachers) {
        assert_eq!(left.texts, right.texts);
    }
    let on_dev_texts: HashSet<String> = on_dev.test.texts.iter().map(|text| normal_form(text)).collect();
    assert!(
        on_test.test.texts.iter().all(|text| !on_dev_texts.contains(&normal_form(text))),
        "no test text is chosen on"
    );
    assert_eq!(
        on_dev.amounts.read[0].train + on_dev.test.len(),
        shared_out(root.path(), &lines.replace("dev_share = 0.2", "")).unwrap().amounts.train()
    );
    let error =
        shared_out(root.path(), "source = \"two\"\nteacher_count = 2\ndev_share = 0.2").unwrap_err().to_string();
    assert!(error.contains("a development split of its own"), "{error}");
    let error =
        shared_out(root.path(), "source = \"one\"\nteacher_count = 2\nevaluate_on = \"dev\"").unwrap_err().to_string();
    assert!(error.contains("data.dev_share"), "{error}");
}
