//! Which teacher owns which labels.

use crate::support::{data_error, declare, rows, shared_out};
use std::path::Path;

const LABELS: [&str; 7] = ["a", "b", "c", "d", "e", "f", "g"];
const AMOUNTS: &str = "teacher_texts_per_class = 2\ntransfer_texts_per_class = 2\n";

fn seven(root: &Path) {
    declare(root, "seven", &LABELS, "", &[("train", rows("train", 7, 8)), ("test", rows("test", 7, 2))]);
}

fn owned(root: &Path, split: &str) -> Vec<String> {
    let data = shared_out(root, &format!("source = \"seven\"\n{AMOUNTS}{split}")).unwrap();
    data.teachers.iter().map(|teacher| teacher.labels.names().concat()).collect()
}

fn refusal(root: &Path, split: &str) -> String {
    shared_out(root, &format!("source = \"seven\"\n{AMOUNTS}{split}")).unwrap_err().to_string()
}

#[test]
fn contiguous_chunks_give_the_rest_to_the_last() {
    let root = tempfile::tempdir().unwrap();
    seven(root.path());
    assert_eq!(owned(root.path(), "split = \"contiguous\"\nteacher_count = 3"), ["ab", "cd", "efg"]);
    assert_eq!(owned(root.path(), "teacher_count = 3"), ["ab", "cd", "efg"]);
    assert_eq!(owned(root.path(), "contiguous_teachers = 3"), ["ab", "cd", "efg"]);
    assert_eq!(owned(root.path(), "teachers_by_size = [2, 3, 2]"), ["ab", "cde", "fg"]);
    assert!(refusal(root.path(), "teachers_by_size = [2, 3]").contains("5 labels together"));
    assert!(refusal(root.path(), "teacher_count = 4").contains("at least two labels a teacher"));
}

#[test]
fn interleaved_labels_go_round() {
    let root = tempfile::tempdir().unwrap();
    seven(root.path());
    assert_eq!(owned(root.path(), "split = \"interleaved\"\nteacher_count = 2"), ["aceg", "bdf"]);
}

#[test]
fn a_random_split_follows_from_its_seed_and_loses_no_label() {
    let root = tempfile::tempdir().unwrap();
    seven(root.path());
    let of_seed = |seed: u64| owned(root.path(), &format!("split = {{ random = {seed} }}\nteacher_count = 2"));
    assert_eq!(of_seed(1), of_seed(1));
    assert!((2..9).any(|seed| of_seed(seed) != of_seed(1)), "some other seed cuts otherwise");
    for seed in 1..9 {
        let parts = of_seed(seed);
        assert_eq!(parts.iter().map(String::len).collect::<Vec<_>>(), [3, 4]);
        let mut all: Vec<char> = parts.concat().chars().collect();
        all.sort_unstable();
        assert_eq!(all.iter().collect::<String>(), "abcdefg");
        assert!(parts.iter().all(|part| part.chars().is_sorted()), "labels keep their order: {parts:?}");
    }
}

#[test]
fn every_two_neighbours_share_so_many_labels() {
    let root = tempfile::tempdir().unwrap();
    seven(root.path());
    let shared = |k: usize| owned(root.path(), &format!("teacher_count = 3\nshared_labels = {k}"));
    assert_eq!(shared(1), ["abc", "cde", "efg"]);
    assert_eq!(shared(2), ["abc", "bcde", "defg"]);
    assert!(refusal(root.path(), "teacher_count = 3\nshared_labels = 3").contains("data.shared_labels"));
    let data =
        shared_out(root.path(), &format!("source = \"seven\"\n{AMOUNTS}teacher_count = 3\nshared_labels = 1")).unwrap();
    assert_eq!(data.union.len(), 7);
    assert_eq!(data.teachers.iter().map(|teacher| teacher.texts.len()).sum::<usize>(), 9 * 2);
}

#[test]
fn domains_make_one_teacher_each() {
    let root = tempfile::tempdir().unwrap();
    let splits = [("train", rows("train", 4, 8)), ("test", rows("test", 4, 2))];
    declare(root.path(), "four", &["a", "b", "c", "d"], "domains = [\"first\", \"second\"]", &splits);
    let data = shared_out(root.path(), &format!("source = \"four\"\n{AMOUNTS}split = \"domains\"")).unwrap();
    let names: Vec<_> = data.teachers.iter().map(|teacher| (teacher.name.as_str(), teacher.labels.len())).collect();
    assert_eq!(names, [("first", 2), ("second", 2)]);
    seven(root.path());
    assert!(refusal(root.path(), "split = \"domains\"").contains("no domains"));
    let clinc = shared_out(root.path(), &format!("source = \"clinc150\"\n{AMOUNTS}split = \"domains\"")).unwrap();
    assert_eq!((clinc.teachers.len(), clinc.union.len()), (10, 150));
    assert_eq!(clinc.teachers[4].name, "auto_and_commute");
}

#[test]
fn tables_beside_a_split_name_and_adjust_its_parts() {
    let root = tempfile::tempdir().unwrap();
    seven(root.path());
    let tables = "teacher_count = 2\n[[data.teacher]]\nname = \"strong\"\n[[data.teacher]]\nname = \"weak\"\n\
                  texts_per_class = 1\ninit = \"elsewhere\"\nlayers = 2\n";
    let data = shared_out(root.path(), &format!("source = \"seven\"\n{AMOUNTS}{tables}")).unwrap();
    assert_eq!((data.teachers[0].name.as_str(), data.teachers[0].texts.len()), ("strong", 3 * 2));
    assert_eq!((data.teachers[1].name.as_str(), data.teachers[1].texts.len()), ("weak", 4));
    assert_eq!(data.teachers[1].own.init.as_ref().unwrap().to_string(), "elsewhere");
    assert_eq!((data.teachers[0].own.layers, data.teachers[1].own.layers), (None, Some(2)));
    let one_table = refusal(root.path(), "teacher_count = 2\n[[data.teacher]]\nname = \"lonely\"\n");
    assert!(one_table.contains("1 tables for 2 parts"), "{one_table}");
}

#[test]
fn contradictions_are_refused_with_their_key() {
    let teacher = "\n[[data.teacher]]\nname = \"x\"\nlabels = [\"a\", \"b\"]\n";
    for (lines, expected) in [
        ("", "no teacher"),
        ("teacher_count = 0", "data.teacher_count"),
        ("split = \"contiguous\"", "data.teacher_count or data.teachers_by_size"),
        ("split = \"interleaved\"\nteachers_by_size = [2, 2]", "data.teachers_by_size"),
        ("split = \"domains\"\nteacher_count = 2", "one a domain"),
        ("split = \"sideways\"\nteacher_count = 2", "sideways"),
        ("teacher_count = 2\nteachers_by_size = [2, 2]", "data.teachers_by_size"),
        ("contiguous_teachers = 2\nsplit = \"contiguous\"", "data.contiguous_teachers"),
        ("teachers_by_size = [1, 6]", "at least two labels"),
        (format!("teacher_count = 2{teacher}").as_str(), "labels are given twice"),
        (format!("shared_labels = 1{teacher}").as_str(), "both list it"),
        (format!("few_shot_k = 0{teacher}").as_str(), "data.few_shot_k"),
        (format!("dev_share = 0.9{teacher}").as_str(), "data.dev_share"),
        (format!("prefix_labels = true{teacher}").as_str(), "[[data.set]]"),
        (format!("out_of_scope_texts = 5{teacher}").as_str(), "data.out_of_scope"),
        (format!("transfer_texts_per_class = \"140%\"{teacher}").as_str(), "140%"),
        (format!("teacher_texts_per_class = \"100%\"{teacher}").as_str(), "leaves no text"),
        (format!("{teacher}texts_per_class = \"all\"").as_str(), "texts_per_class"),
        (format!("{teacher}init = \"fresh:2x64\"").as_str(), "named by its directory"),
        (format!("{teacher}model = \"m\"").as_str(), "a model and labels"),
        ("[[data.teacher]]\nname = \"x\"\nmodel = \"m\"\nlayers = 2", "is not trained"),
        (format!("{teacher}[data.noise]\nempty = 0.0").as_str(), "asks for no row"),
        (format!("{teacher}[data.noise]\nempty = 11.0").as_str(), "data.noise.empty"),
        (format!("few_shot_k = 1{teacher}[data.noise]\nempty = 0.1").as_str(), "two studies"),
    ] {
        let error = data_error(&format!("source = \"seven\"\n{lines}"));
        assert!(error.contains(expected), "{lines}: {error}");
    }
    assert!(data_error("teacher_count = 2").contains("no texts"));
    assert!(data_error("source = \"x\"\nteacher_count = 2\n[[data.set]]\nsource = \"y\"").contains("given twice"));
}
