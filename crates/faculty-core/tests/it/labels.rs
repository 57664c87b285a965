use faculty_core::{LabelSpace, Stream};
use std::collections::BTreeMap;

fn id2label(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(id, name)| ((*id).to_owned(), (*name).to_owned())).collect()
}

#[test]
fn id_ten_comes_after_id_two() {
    let map: BTreeMap<String, String> = (0..12).map(|id| (id.to_string(), format!("class {id}"))).collect();
    let labels = LabelSpace::from_id2label(&map).unwrap();
    assert_eq!(labels.name(2), Some("class 2"));
    assert_eq!(labels.name(10), Some("class 10"));
    assert_eq!(
        (0..12).map(|id| labels.index_of(&format!("class {id}")).unwrap()).collect::<Vec<_>>(),
        (0..12).collect::<Vec<_>>()
    );
}

#[test]
fn broken_id2label_maps_are_refused() {
    for (pairs, expected) in [
        (vec![("a", "x")], "`a` is not a class index"),
        (vec![("-1", "x")], "`-1` is not a class index"),
        (vec![("0", "x"), ("2", "y")], "expected 0 to 1 without gaps"),
        (vec![("1", "x")], "expected 0 to 0 without gaps"),
        (vec![("0", "x"), ("1", "x")], "label `x` appears twice, at 0 and 1"),
        (vec![], "at least one label"),
    ] {
        let message = LabelSpace::from_id2label(&id2label(&pairs)).unwrap_err().to_string();
        assert!(message.contains(expected), "{pairs:?}: {message}");
    }
}

#[test]
fn empty_and_repeated_names_are_refused() {
    assert!(LabelSpace::new(Vec::<String>::new()).is_err());
    assert!(LabelSpace::new(["a", " "]).unwrap_err().to_string().contains("label 1 has an empty name"));
    assert!(LabelSpace::new(["a", "b", "a"]).is_err());
}

#[test]
fn a_name_wins_over_an_index() {
    let labels = LabelSpace::new(["1", "0", "x"]).unwrap();
    assert_eq!(labels.resolve("0").unwrap(), 1);
    assert_eq!(labels.resolve("x").unwrap(), 2);
    assert_eq!(labels.resolve("2").unwrap(), 2);
    let message = labels.resolve("3").unwrap_err().to_string();
    assert!(message.contains("expected one of 3 names, or an index below 3"), "{message}");
}

#[test]
fn an_unknown_name_suggests_the_nearest() {
    let labels = LabelSpace::new(["book_flight", "book_hotel", "weather"]).unwrap();
    let message = labels.resolve("book_flihgt").unwrap_err().to_string();
    assert!(message.contains("did you mean `book_flight`?"), "{message}");
}

#[test]
fn generic_names_are_known_as_such() {
    for (names, generic) in [
        (vec!["LABEL_0", "LABEL_1"], true),
        (vec!["0", "17"], true),
        (vec!["LABEL_0", "spam"], false),
        (vec!["LABEL_"], false),
        (vec!["LABEL_x"], false),
    ] {
        assert_eq!(LabelSpace::new(names.clone()).unwrap().is_generic(), generic, "{names:?}");
    }
}

#[test]
fn serde_writes_a_list_and_checks_it_on_reading() {
    let labels = LabelSpace::new(["b", "a"]).unwrap();
    let json = serde_json::to_string(&labels).unwrap();
    assert_eq!(json, r#"["b","a"]"#);
    assert_eq!(serde_json::from_str::<LabelSpace>(&json).unwrap(), labels);
    assert!(serde_json::from_str::<LabelSpace>(r#"["a","a"]"#).is_err());
}

#[test]
fn names_and_indices_are_inverse_in_any_order() {
    for trial in 0..50 {
        let order = Stream::new(trial, "labels").permutation(40);
        let labels = LabelSpace::new(order.iter().map(|id| format!("c{id}"))).unwrap();
        for (index, id) in order.iter().enumerate() {
            assert_eq!(labels.index_of(&format!("c{id}")), Some(index));
            assert_eq!(labels.name(index), Some(format!("c{id}").as_str()));
        }
        assert_eq!((labels.len(), labels.name(40)), (40, None));
    }
}
