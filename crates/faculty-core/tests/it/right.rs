use faculty_core::Stream;
use faculty_core::metrics::{Predictions, RightAnswers};

#[test]
fn right_answers_survive_their_digits_at_every_length() {
    for texts in 0..70 {
        let stream = Stream::new(texts, "right");
        let answers = RightAnswers::new((0..texts).map(|text| stream.below_at(text, 3) > 0).collect());
        assert_eq!(RightAnswers::from_hex(texts as usize, &answers.to_hex()).unwrap(), answers);
        let json = serde_json::to_string(&answers).unwrap();
        assert_eq!(serde_json::from_str::<RightAnswers>(&json).unwrap(), answers);
        assert!(json.len() <= 25 + 2 + texts.div_ceil(4) as usize, "{json}");
    }
}

#[test]
fn right_answers_are_those_of_the_predictions() {
    let predictions = Predictions::from_logits(&[2.0, 0.0, 0.0, 1.0, 1.0, 0.0], 2, &[0, 0, 0]).unwrap();
    let answers = RightAnswers::new(predictions.correct());
    assert_eq!((answers.as_slice(), answers.count()), (&[true, false, true][..], 2));
    assert_eq!(answers.count() as f64 / answers.texts() as f64, predictions.accuracy());
    assert_eq!(serde_json::to_string(&answers).unwrap(), r#"{"texts":3,"bits":"a"}"#);
}

#[test]
fn broken_digits_are_errors() {
    for (texts, bits) in [(4, ""), (4, "ff"), (5, "f"), (4, "g"), (3, "f"), (0, "0"), (usize::MAX, "ff"), (8, "é")] {
        assert!(RightAnswers::from_hex(texts, bits).is_err(), "{texts} texts, {bits:?}");
    }
    assert!(serde_json::from_str::<RightAnswers>(r#"{"texts":9,"bits":"f"}"#).is_err());
}
