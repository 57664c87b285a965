//! Teachers from several data sets: labels joined by name, alias and prefix.

use crate::support::{declare, rows, shared_out};
use std::path::Path;

/// Two banks. The first has domains; both know `balance`; `exchange_rate` and `fx_rate` mean the same.
fn banks(root: &Path) {
    let north = ["balance", "exchange_rate", "weather", "jokes"];
    let splits = [("train", rows("north", 4, 10)), ("test", rows("north test", 4, 3))];
    declare(root, "north", &north, "domains = [\"money\", \"talk\"]", &splits);
    let south = ["fx_rate", "balance", "loan"];
    declare(root, "south", &south, "", &[("train", rows("south", 3, 10)), ("test", rows("south test", 3, 2))]);
}

const AMOUNTS: &str = "teacher_texts_per_class = 4\ntransfer_texts_per_class = 3\n";
const BOTH: &str = "[[data.set]]\nsource = \"north\"\ndomains = [\"money\"]\n[[data.set]]\nsource = \"south\"\n";

#[test]
fn equal_names_are_one_label_and_every_set_has_its_teacher() {
    let root = tempfile::tempdir().unwrap();
    banks(root.path());
    let data = shared_out(root.path(), &format!("{AMOUNTS}{BOTH}")).unwrap();
    assert_eq!(data.name, "north + south");
    assert_eq!(data.union.names(), ["balance", "exchange_rate", "fx_rate", "loan"]);
    let teachers: Vec<_> = data.teachers.iter().map(|t| (t.name.as_str(), t.labels.names().join(" "))).collect();
    assert_eq!(teachers, [("north", "balance exchange_rate".to_owned()), ("south", "fx_rate balance loan".to_owned())]);
    assert!(data.teachers[0].texts.texts.iter().all(|text| text.starts_with("north row")));
    assert!(data.teachers[1].texts.texts.iter().all(|text| text.starts_with("south row")));
    assert_eq!((data.teachers[0].texts.len(), data.teachers[1].texts.len()), (2 * 4, 3 * 4));
    // Limits count in each set, so that both contribute to the shared label.
    assert_eq!(data.transfer.len(), (2 + 3) * 3);
    assert_eq!(data.transfer.labels.iter().filter(|&&label| label == 0).count(), 2 * 3);
    let sets: Vec<_> = data.test_sets.iter().map(|set| (set.name.as_str(), set.rows.clone())).collect();
    assert_eq!(sets, [("north", 0..6_usize), ("south", 6..12)]);
    assert!(data.test.texts[..6].iter().all(|text| text.starts_with("north test")));
    assert!(data.test.texts[6..].iter().all(|text| text.starts_with("south test")));
    assert!(data.notes.iter().any(|note| note.contains("1 of them in more than one")), "{:?}", data.notes);
}

#[test]
fn an_alias_file_joins_what_has_two_names_and_leaves_out_what_it_excludes() {
    let root = tempfile::tempdir().unwrap();
    banks(root.path());
    let aliases = "[rename.south]\nfx_rate = \"exchange_rate\"\n[exclude]\nsouth = [\"loan\"]\n";
    std::fs::write(root.path().join("aliases.toml"), aliases).unwrap();
    let lines = format!("aliases = \"aliases.toml\"\n{AMOUNTS}{BOTH}");
    let data = shared_out(root.path(), &lines).unwrap();
    assert_eq!(data.union.names(), ["balance", "exchange_rate"]);
    assert_eq!(data.teachers[1].labels.names(), ["exchange_rate", "balance"]);
    assert!(data.files.iter().any(|file| file.name.ends_with("aliases.toml")), "the file determines the result");

    std::fs::write(root.path().join("aliases.toml"), aliases.replace("fx_rate =", "fx_rat =")).unwrap();
    let error = shared_out(root.path(), &lines).unwrap_err().to_string();
    assert!(error.contains("did you mean `fx_rate`?"), "{error}");
    std::fs::write(root.path().join("aliases.toml"), "[renames.south]\nx = \"y\"\n").unwrap();
    let error = shared_out(root.path(), &lines).unwrap_err().to_string();
    assert!(error.contains("aliases.toml") && error.contains("renames"), "{error}");
}

#[test]
fn prefixes_keep_equal_names_apart_unless_an_alias_joins_them() {
    let root = tempfile::tempdir().unwrap();
    banks(root.path());
    let data = shared_out(root.path(), &format!("prefix_labels = true\n{AMOUNTS}{BOTH}")).unwrap();
    assert_eq!(
        data.union.names(),
        ["north/balance", "north/exchange_rate", "south/fx_rate", "south/balance", "south/loan"]
    );
    let aliases = "[rename.north]\nexchange_rate = \"rate\"\n[rename.south]\nfx_rate = \"rate\"\n";
    std::fs::write(root.path().join("aliases.toml"), aliases).unwrap();
    let lines = format!("prefix_labels = true\naliases = \"aliases.toml\"\n{AMOUNTS}{BOTH}");
    let data = shared_out(root.path(), &lines).unwrap();
    assert_eq!(data.union.names(), ["north/balance", "rate", "south/balance", "south/loan"]);
}

#[test]
fn teachers_of_several_sets_may_be_named_restricted_and_split() {
    let root = tempfile::tempdir().unwrap();
    banks(root.path());
    let whole = "[[data.set]]\nsource = \"north\"\nname = \"n\"\n[[data.set]]\nsource = \"south\"\nname = \"s\"\n";
    let named = "[[data.teacher]]\nname = \"talk\"\nset = \"n\"\ndomains = [\"n/talk\"]\n\
                 [[data.teacher]]\nname = \"south\"\nset = \"s\"\n\
                 [[data.teacher]]\nname = \"rates\"\nlabels = [\"exchange_rate\"]\n";
    let data = shared_out(root.path(), &format!("{AMOUNTS}{whole}{named}")).unwrap();
    assert_eq!(data.teachers[0].labels.names(), ["weather", "jokes"]);
    assert_eq!(data.teachers[1].labels.names(), ["fx_rate", "balance", "loan"]);
    assert!(data.teachers[1].texts.texts.iter().all(|text| text.starts_with("south")));
    assert_eq!(data.union.len(), 6);
    // The first bank's `balance` has no teacher, and is transfer text all the same: somebody knows the label.
    assert!(data.transfer.texts.iter().any(|text| text.starts_with("north row") && text.ends_with("matter 0")));

    let split = shared_out(root.path(), &format!("teacher_count = 2\n{AMOUNTS}{whole}")).unwrap();
    assert_eq!(split.teachers.iter().map(|teacher| teacher.labels.len()).collect::<Vec<_>>(), [3, 3]);
    let error = shared_out(root.path(), &format!("{AMOUNTS}{whole}[[data.teacher]]\nname = \"x\"\nset = \"z\"\n"));
    assert!(error.unwrap_err().to_string().contains("there is no data set `z`"));
    let twice = "[[data.set]]\nsource = \"north\"\n[[data.set]]\nsource = \"north\"\n";
    assert!(shared_out(root.path(), twice).unwrap_err().to_string().contains("two sets are called `north`"));
}

#[test]
fn sets_of_the_same_texts_never_meet() {
    let root = tempfile::tempdir().unwrap();
    banks(root.path());
    for lines in [
        "[[data.set]]\nsource = \"mr\"\n[[data.set]]\nsource = \"sst2\"\n",
        "source = \"folder:sst2\"\nteacher_count = 1\n[data.noise]\nother = { source = \"mr\", share = 0.1 }\n",
    ] {
        let error = shared_out(root.path(), lines).unwrap_err().to_string();
        assert!(error.contains("hold the same texts"), "{error}");
    }
}
