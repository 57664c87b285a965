//! `faculty merge`.

use crate::workplace::{Workplace, bank_rows, travel_rows};

const TEACHERS: &str = "--base encoder --teacher teachers/bank --teacher teachers/travel";

/// Two teachers that were fine-tuned from `encoder`, and the texts of both.
fn place_with_teachers() -> Workplace {
    let place = Workplace::new();
    place.tiny("encoder", ["a", "b"]);
    place.labelled("bank.jsonl", &bank_rows());
    place.labelled("travel.jsonl", &travel_rows());
    for name in ["bank", "travel"] {
        let options = "--epochs 8 --learning-rate 1e-3 --batch-size 8";
        place.faculty(&format!("finetune --model encoder --train {name}.jsonl --out teachers/{name} {options}")).good();
    }
    let all: Vec<_> = bank_rows().into_iter().chain(travel_rows()).collect();
    place.labelled("all.jsonl", &all);
    place.write("texts.txt", all.iter().map(|(text, _)| format!("{text}\n")).collect::<String>());
    place
}

#[test]
fn every_rule_writes_a_directory_that_predict_opens() {
    let place = place_with_teachers();
    for (rule, more) in [
        ("average", ""),
        ("task-arithmetic", "--scale 1/n"),
        ("ties", "--scale 1 --trim 0.5"),
        ("dare", "--then ties --drop 0.3 --seed 4"),
        ("regmean", "--text texts.txt --texts 40"),
    ] {
        let command = format!("merge {TEACHERS} --rule {rule} {more} --out merged/{rule} --eval all.jsonl --json");
        let found = place.faculty(&command).good().json();
        assert_eq!(found["labels"], 4, "{rule}");
        assert!(found["eval"]["accuracy"].as_f64().unwrap() > 0.25, "{rule}: {found}");
        let answers = place.faculty(&format!("predict --model merged/{rule} --text texts.txt --out -")).good().stdout;
        assert_eq!(answers.lines().count(), 60);
        let manifest = place.json(&format!("merged/{rule}/faculty.json"));
        assert_eq!(manifest["settings"]["rule"], rule);
        assert_eq!(manifest["base"]["sha256"].as_str().unwrap().len(), 64);
        let card = std::fs::read_to_string(place.path(&format!("merged/{rule}/README.md"))).unwrap();
        let access = if rule == "regmean" { "unlabelled text (60 texts)" } else { "no text (0 texts)" };
        assert!(card.contains(access) && card.contains("merged by"), "{card}");
    }
    let run = place.faculty(&format!("merge {TEACHERS} --out plain")).good();
    for word in ["4 labels  union (0 shared)", "its record names the base", "wrote plain (4 labels"] {
        assert!(run.stdout.contains(word), "{word}: {}", run.stdout);
    }
}

#[test]
fn teachers_that_are_not_of_the_base_are_refused_in_a_sentence() {
    let place = place_with_teachers();
    place.tiny("other-encoder", ["a", "b"]);
    place
        .faculty("merge --base other-encoder --teacher teachers/bank --teacher teachers/travel --out merged")
        .refused(2, &["`bank` cannot be merged", "fine-tuned from the checkpoint"]);
    let spec = faculty_testkit::TinySpec { intermediate: 48, ..faculty_testkit::TinySpec::new(["p", "q"]) };
    faculty_testkit::tiny_classifier_dir(place.path("wide"), &spec);
    place
        .faculty("merge --base encoder --teacher teachers/bank --teacher wide --out merged")
        .refused(2, &["`wide` cannot be merged", "intermediate.dense.weight", "amalgamation takes any teachers"]);
    assert!(!place.path("merged").exists());
}

#[test]
fn settings_that_a_rule_does_not_have_are_refused() {
    let place = Workplace::new();
    place.tiny("encoder", ["a", "b"]);
    place.tiny("one", ["c", "d"]);
    place.write("texts.txt", "pay\n");
    for (options, words) in [
        ("--rule tie", ["--rule", "did you mean `ties`?"]),
        ("--rule average --scale 0.3", ["--scale", "no meaning for rule `average`"]),
        ("--rule ties --drop 0.3", ["--drop", "no meaning for rule `ties`"]),
        ("--rule dare --then average --trim 0.3", ["--trim", "no meaning"]),
        ("--rule dare --then tie", ["--then", "did you mean `ties`?"]),
        ("--rule dare --drop 1", ["drop", "0 <= rate < 1"]),
        ("--rule ties --scale fast", ["--scale", "1/n"]),
        ("--rule ties --text texts.txt", ["--text", "reads no text"]),
        ("--rule regmean", ["--text", "unlabelled texts"]),
        ("--rule regmean --text texts.txt --off-diagonal 2", ["off_diagonal", "0 to 1"]),
    ] {
        place.faculty(&format!("merge --base encoder --teacher one --out merged {options}")).refused(2, &words);
    }
    assert!(!place.path("merged").exists());
}
