//! Texts and labels that are wrong: exit code 2, file and line named, nothing written.

use crate::workplace::{Workplace, bank_rows};

fn place() -> Workplace {
    let place = Workplace::new();
    place.tiny("model", ["balance", "pay_bill"]);
    place
}

#[track_caller]
fn refused(place: &Workplace, file: &str, words: &[&str]) {
    let before = place.listing();
    place.faculty(&format!("predict --model model --text {file} --out out.jsonl")).refused(2, words);
    place
        .faculty(&format!(
            "amalgamate --teacher model --text {file} --student teacher:0 --method uniform --out student"
        ))
        .refused(2, words);
    assert_eq!(place.listing(), before);
}

#[test]
fn an_empty_file() {
    let place = place();
    place.write("empty.jsonl", "");
    refused(&place, "empty.jsonl", &["empty.jsonl", "empty"]);
    place.write("blank.txt", "\n  \n\n");
    refused(&place, "blank.txt", &["blank.txt", "empty"]);
}

#[test]
fn a_file_that_is_not_utf8() {
    let place = place();
    place.write("latin.txt", b"caf\xe9\ncr\xe8me\n");
    refused(&place, "latin.txt", &["latin.txt", "UTF-8"]);
}

#[test]
fn a_file_that_is_not_there_or_tells_no_format() {
    let place = place();
    refused(&place, "nothing.jsonl", &["nothing.jsonl"]);
    place.write("texts.dat", "pay\n");
    refused(&place, "texts.dat", &["texts.dat", ".jsonl"]);
    let run = place.faculty("predict --model model --text texts.dat --format lines --out -").good();
    assert_eq!(run.stdout.lines().count(), 1);
}

#[test]
fn a_label_that_the_model_does_not_know() {
    let place = place();
    place.labelled("data.jsonl", &[("pay", "pay_bill"), ("hm", "pay_bil")]);
    let words = ["data.jsonl:2", "pay_bil", "did you mean `pay_bill`?"];
    place.faculty("evaluate --model model --data data.jsonl").refused(2, &words);
    // The same in the file that a training is measured on, and before the training.
    place.labelled("train.jsonl", &bank_rows());
    let before = place.listing();
    let run =
        place.faculty("finetune --model model --train train.jsonl --eval data.jsonl --out out").refused(2, &words);
    assert!(!run.stderr.contains("fine-tune:"), "refused only after the training: {}", run.stderr);
    place
        .faculty("amalgamate --teacher model --text data.jsonl --eval data.jsonl --student teacher:0 --method uniform --out out")
        .refused(2, &words);
    assert_eq!(place.listing(), before);
}

#[test]
fn text_without_labels_where_labels_are_needed() {
    let place = place();
    place.write("data.jsonl", "{\"text\": \"pay\"}\n");
    place.faculty("evaluate --model model --data data.jsonl").refused(2, &["data.jsonl", "label"]);
    place.write("one.jsonl", "{\"text\": \"pay\", \"label\": \"a\"}\n");
    place.faculty("finetune --model model --train one.jsonl --out out").refused(2, &["one.jsonl", "two classes"]);
}
