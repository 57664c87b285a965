//! `faculty data`.

use crate::workplace::{Workplace, bank_rows};

#[test]
fn every_set_is_listed_with_its_licence_and_whether_it_is_there() {
    let place = Workplace::new();
    let list = place.faculty("data list").good().stdout;
    for words in [
        "ohsumed23",
        "OHSUMED: research, non-commercial",
        "train 3357, test 4043 (23 labels)",
        "a form of it is part of the program",
    ] {
        assert!(list.contains(words), "{words}: {list}");
    }
    let sets = place.faculty("data list --json").good().json();
    assert_eq!(sets.as_array().unwrap().len(), 17);
    assert_eq!((&sets[1]["name"], &sets[1]["there"]), (&"ag_news".into(), &"no".into()));
    assert_eq!(sets[1]["set"]["labels"][3], "Sci/Tech");

    place.declare("mine", &["balance", "pay_bill"], &bank_rows());
    let list = place.faculty("data list --data-dir sets").good().stdout;
    assert!(list.contains("mine  mine\n  rows       train 30, test 30 (2 labels)"), "{list}");
    assert!(list.contains("here       in sets/mine"), "{list}");
}

#[test]
fn what_cannot_be_fetched_is_explained() {
    let place = Workplace::new();
    place.faculty("data get agnews").refused(2, &["did you mean `ag_news`?"]);
    place.faculty("data get ag_news").refused(2, &["no automatic way", "test.jsonl.zst  7600 rows", "FACULTY_DATA"]);
    place.faculty("data check ag_news --data-dir .").refused(2, &["is not there", "./ag_news"]);
}

#[test]
fn sets_that_are_there_are_checked_and_the_absent_ones_named() {
    let place = Workplace::new();
    place.declare("mine", &["balance", "pay_bill"], &bank_rows());
    place.declare("other", &["balance", "pay_bill"], &bank_rows());
    let all = place.faculty("data check --data-dir sets").good().stdout;
    assert!(
        all.contains("mine: as declared (train 30, test 30)") && all.contains("absent: abstracts5, ag_news"),
        "{all}"
    );
    assert_eq!(place.faculty("data get mine --data-dir sets").good().stdout, "mine: sets/mine (as declared)\n");

    place.write("sets/mine/test.jsonl", "{\"t\": \"something else\", \"y\": 0}\n");
    let run = place.faculty("data check --data-dir sets");
    assert!(run.stderr.contains("mine/test.jsonl") && run.stderr.contains("SHA-256"), "{}", run.stderr);
    assert!(run.stdout.contains("other: as declared"), "one that is wrong does not hide the others: {}", run.stdout);
    run.refused(1, &["1 sets are not what was declared"]);
    place.faculty("data check mine --data-dir sets").refused(2, &["mine/test.jsonl", "SHA-256"]);
}
