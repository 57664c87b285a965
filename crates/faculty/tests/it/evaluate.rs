//! `faculty evaluate`.

use crate::workplace::Workplace;

#[test]
fn the_metrics_are_those_of_the_predictions() {
    let place = Workplace::new();
    place.tiny("model", ["x", "y", "z"]);
    let texts = ["pay the bill", "book a flight", "hotel", "what is my balance", "play a song", "i want food"];
    place.write("texts.txt", texts.join("\n"));
    let answers = place.faculty("predict --model model --text texts.txt --out - ").good().stdout;
    let labels: Vec<String> = answers
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["label"].as_str().unwrap().to_owned())
        .collect();
    // The first two rows carry a wrong label, the others what the model says.
    let wrong = |label: &str| if label == "x" { "y" } else { "x" };
    let rows: Vec<(&str, &str)> = texts
        .iter()
        .zip(&labels)
        .enumerate()
        .map(|(row, (text, label))| (*text, if row < 2 { wrong(label) } else { label.as_str() }))
        .collect();
    place.labelled("data.jsonl", &rows);
    let found = place.faculty("evaluate --model model --data data.jsonl --json").good().json();
    assert!((found["accuracy"].as_f64().unwrap() - 4.0 / 6.0).abs() < 1e-9);
    assert_eq!(found["texts"], 6);
    for metric in ["macro_f1", "ece", "brier", "nll"] {
        assert!(found[metric].as_f64().unwrap().is_finite(), "{metric}");
    }
    assert!(!found["worst_classes"].as_array().unwrap().is_empty());
    let text = place.faculty("evaluate --model model --data data.jsonl").good().stdout;
    assert!(text.contains("accuracy   0.6667") && text.contains("worst classes"), "{text}");
}

#[test]
fn labels_may_be_indices_and_columns_may_be_named() {
    let place = Workplace::new();
    place.tiny("model", ["x", "y"]);
    place.write("data.csv", "query;x,gold\n\"pay, now\",0\nhotel,1\n");
    place.write("data.tsv", "utterance\tgold\npay\t0\nhotel\ty\n");
    let run =
        place.faculty("evaluate --model model --data data.tsv --text-column utterance --label-column gold --json");
    assert_eq!(run.good().json()["texts"], 2);
    place
        .faculty("evaluate --model model --data data.csv --text-column utterance --label-column gold")
        .refused(2, &["data.csv", "utterance"]);
}
