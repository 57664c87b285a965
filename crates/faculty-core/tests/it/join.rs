use faculty_core::{Aliases, LabelJoin, LabelSpace, Stream};
use std::collections::{BTreeMap, BTreeSet};

fn space(names: &[&str]) -> LabelSpace {
    LabelSpace::new(names.iter().copied()).unwrap()
}

fn rename(teacher: &str, pairs: &[(&str, &str)]) -> Aliases {
    let renames: BTreeMap<String, String> = pairs.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect();
    Aliases { rename: BTreeMap::from([(teacher.to_owned(), renames)]), exclude: BTreeMap::new() }
}

fn exclude(teacher: &str, labels: &[&str]) -> Aliases {
    let labels: BTreeSet<String> = labels.iter().map(|label| (*label).to_owned()).collect();
    Aliases { rename: BTreeMap::new(), exclude: BTreeMap::from([(teacher.to_owned(), labels)]) }
}

#[test]
fn equal_names_are_one_class_and_listed_as_overlap() {
    let (a, b) = (space(&["x", "y"]), space(&["z", "y"]));
    let join = LabelJoin::build(&[("a", &a), ("b", &b)], &Aliases::default()).unwrap();
    assert_eq!(join.union().names(), ["x", "y", "z"]);
    assert_eq!((join.teacher(0).to_union(), join.teacher(1).to_union()), ([0, 1].as_slice(), [2, 1].as_slice()));
    assert_eq!((join.owners(1), join.owners(2), join.is_disjoint()), (vec![0, 1], vec![1], false));
    let overlaps = join.overlaps();
    assert_eq!((overlaps.len(), overlaps[0].label.as_str()), (1, "y"));
    assert_eq!(overlaps[0].teachers, ["a", "b"]);
    let text = join.describe();
    assert!(text.contains("2 labels  a: x, y") && text.contains("shared  y: a, b"), "{text}");
    assert!(text.ends_with("3 labels  union (1 shared)"), "{text}");
}

#[test]
fn renames_part_equal_names_and_join_different_ones() {
    let (a, b) = (space(&["x", "stop"]), space(&["stop", "ex"]));
    let parted = LabelJoin::build(&[("a", &a), ("b", &b)], &rename("b", &[("stop", "stop (music)")])).unwrap();
    assert_eq!(parted.union().names(), ["x", "stop", "stop (music)", "ex"]);
    assert!(parted.is_disjoint());
    let joined = LabelJoin::build(&[("a", &a), ("b", &b)], &rename("b", &[("ex", "x")])).unwrap();
    assert_eq!(joined.union().names(), ["x", "stop"]);
    assert_eq!(joined.teacher(1).to_union(), [1, 0]);
}

#[test]
fn excluded_labels_take_no_part() {
    let (a, b) = (space(&["x", "other", "y"]), space(&["z"]));
    let join = LabelJoin::build(&[("a", &a), ("b", &b)], &exclude("a", &["other"])).unwrap();
    assert_eq!(join.union().names(), ["x", "y", "z"]);
    assert_eq!((join.teacher(0).kept(), join.teacher(0).to_union()), ([0, 2].as_slice(), [0, 1].as_slice()));
    let message = LabelJoin::build(&[("a", &a), ("b", &b)], &exclude("b", &["z"])).unwrap_err().to_string();
    assert!(message.contains("teacher `b` has no label left"), "{message}");
}

#[test]
fn some_of_the_labels_keep_their_order_and_their_teachers() {
    let (a, b) = (space(&["x", "other", "y"]), space(&["z", "x", "w"]));
    let all = LabelJoin::build(&[("a", &a), ("b", &b)], &exclude("a", &["other"])).unwrap();
    let some = all.only(&["w", "x"]).unwrap();
    assert_eq!(some.union().names(), ["x", "w"]);
    assert_eq!((some.teacher(0).kept(), some.teacher(0).to_union()), ([0].as_slice(), [0].as_slice()));
    assert_eq!((some.teacher(1).kept(), some.teacher(1).to_union()), ([1, 2].as_slice(), [0, 1].as_slice()));
    assert_eq!(all.only(all.union().names()).unwrap(), all, "all of them are the join itself");
    let none: [&str; 0] = [];
    assert!(all.only(&none).is_err());
    for (labels, words) in [
        (["x", "zz"], "label `zz` is not in the union"),
        (["x", "x"], "named twice"),
        (["z", "w"], "teacher `a` has none"),
        (["x", "other"], "label `other` is not in the union"),
    ] {
        let message = all.only(&labels).unwrap_err().to_string();
        assert!(message.contains(words), "{message}");
    }
}

#[test]
fn generic_labels_are_refused_without_a_full_map() {
    let (a, b) = (space(&["LABEL_0", "LABEL_1"]), space(&["z"]));
    let teachers = [("a", &a), ("b", &b)];
    let message = LabelJoin::build(&teachers, &Aliases::default()).unwrap_err().to_string();
    assert!(
        message.contains("the labels of teacher `a` are generic") && message.contains("[rename.\"a\"]"),
        "{message}"
    );
    assert!(LabelJoin::build(&teachers, &rename("a", &[("LABEL_0", "x")])).is_err(), "half a map is no map");
    let join = LabelJoin::build(&teachers, &rename("a", &[("LABEL_0", "x"), ("LABEL_1", "y")])).unwrap();
    assert_eq!(join.union().names(), ["x", "y", "z"]);
}

#[test]
fn faulty_alias_files_are_refused_with_the_nearest_name() {
    let (a, b) = (space(&["balance", "transfer"]), space(&["z"]));
    let teachers = [("bank", &a), ("other", &b)];
    for (aliases, expected) in [
        (rename("bnak", &[]), "did you mean `bank`?"),
        (rename("bank", &[("balanse", "x")]), "did you mean `balance`?"),
        (exclude("bank", &["transfers"]), "did you mean `transfer`?"),
        (rename("bank", &[("balance", "transfer")]), "two labels of teacher `bank` meet in the name `transfer`"),
    ] {
        let message = LabelJoin::build(&teachers, &aliases).unwrap_err().to_string();
        assert!(message.contains(expected), "{message}");
    }
    assert!(serde_json::from_str::<Aliases>(r#"{"renames": {}}"#).is_err(), "unknown keys are refused");
}

#[test]
fn teachers_need_distinct_names() {
    let a = space(&["x"]);
    assert!(LabelJoin::build(&[("a", &a), ("a", &a)], &Aliases::default()).is_err());
    assert!(LabelJoin::build(&[], &Aliases::default()).is_err());
}

#[test]
fn a_padded_distribution_keeps_its_mass_under_every_order_of_labels() {
    for trial in 0..50 {
        let stream = Stream::new(trial, "join");
        let order = stream.permutation(6);
        let a = LabelSpace::new(order.iter().map(|id| format!("c{id}"))).unwrap();
        let b = space(&["c0", "d"]);
        let join = LabelJoin::build(&[("b", &b), ("a", &a)], &Aliases::default()).unwrap();
        let probabilities: Vec<f32> = order.iter().map(|&id| (id + 1) as f32 / 21.0).collect();
        let mut row = vec![0.0; join.classes()];
        join.add_padded(1, &probabilities, 0.5, &mut row);
        for id in 0..6 {
            let class = join.union().index_of(&format!("c{id}")).unwrap();
            assert!((row[class] - 0.5 * (id + 1) as f32 / 21.0).abs() < 1e-7);
        }
        assert!((row.iter().sum::<f32>() - 0.5).abs() < 1e-6);
        assert_eq!(row[join.union().index_of("d").unwrap()], 0.0);
    }
}

#[test]
fn the_join_survives_serialisation() {
    let (a, b) = (space(&["x", "y"]), space(&["y", "z"]));
    let join = LabelJoin::build(&[("a", &a), ("b", &b)], &Aliases::default()).unwrap();
    let json = serde_json::to_string(&join).unwrap();
    assert_eq!(serde_json::from_str::<LabelJoin>(&json).unwrap(), join);
}
