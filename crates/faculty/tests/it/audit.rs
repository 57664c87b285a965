//! `faculty audit`.

use crate::workplace::{Workplace, bank_rows, travel_rows};

#[test]
fn teachers_are_audited_on_shared_text_and_the_report_is_kept() {
    let place = Workplace::new();
    place.tiny("encoder", ["a", "b"]);
    place.labelled("bank.jsonl", &bank_rows());
    place.labelled("travel.jsonl", &travel_rows());
    for name in ["bank", "travel"] {
        let options = "--epochs 20 --learning-rate 3e-3 --batch-size 8";
        place.faculty(&format!("finetune --model encoder --train {name}.jsonl --out teachers/{name} {options}")).good();
    }
    let texts = bank_rows().into_iter().chain(travel_rows()).map(|(text, _)| format!("{text}\n"));
    place.write("texts.txt", texts.collect::<String>());
    let command = "audit teachers/bank trips=teachers/travel --text texts.txt";
    let run = place.faculty(&format!("{command} --out report.json")).good();
    for word in ["teacher", "suspicion", "bank", "trips", "without bank: trips +", "60 texts. Suspicious:", "flags"] {
        assert!(run.stdout.contains(word), "{word}: {}", run.stdout);
    }
    let record = place.json("report.json");
    assert_eq!(record["report"]["texts"], 60);
    assert_eq!(record["report"]["teachers"][1]["name"], "trips");
    assert!((record["report"]["thresholds"]["second_peak"].as_f64().unwrap() - 0.15).abs() < 1e-12);
    assert_eq!(record["teachers"][0]["hash"].as_str().unwrap().len(), 64);
    let printed = place.faculty(&format!("{command} --json")).good().json();
    assert_eq!(printed["report"], record["report"]);
}

#[test]
fn an_audit_needs_teachers_and_text() {
    let place = Workplace::new();
    place.tiny("one", ["x", "y"]);
    place.write("texts.txt", "pay the bill\n");
    place.faculty("audit --text texts.txt").refused(2, &["TEACHER"]);
    place.faculty("audit one").refused(2, &["--text"]);
    place.faculty("audit one missing --text texts.txt").refused(2, &["missing"]);
    place.faculty("audit one --text texts.txt").good();
}
