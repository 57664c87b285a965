//! Whether the mean of the teachers' weights is worth hearing.

use faculty_core::{Aliases, LabelJoin, LabelSpace};
use faculty_methods::TransferSet;
use faculty_teacher::TeacherOutputs;

/// A teacher of two classes that prefers class `text % 2`, the surer the smaller the number of the text.
fn teacher(texts: usize) -> TeacherOutputs {
    let row = |text: usize| {
        let sure = 5.0 - 0.1 * text as f32;
        if text.is_multiple_of(2) { [sure, 0.0] } else { [0.0, sure] }
    };
    TeacherOutputs {
        classes: 2,
        logits: (0..texts).flat_map(row).collect(),
        passes: None,
        features: None,
        truncated: 0,
    }
}

#[test]
fn it_is_compared_on_the_texts_that_each_teacher_is_surest_of() {
    let (left, right) = (LabelSpace::new(["a", "b"]).unwrap(), LabelSpace::new(["c", "d"]).unwrap());
    let join = LabelJoin::build(&[("left", &left), ("right", &right)], &Aliases::default()).unwrap();
    let outputs = [teacher(16), teacher(16)];
    let set = TransferSet::new(&outputs, &join).unwrap();
    // Four of sixteen texts are asked about: half of the even share of two teachers. Text by text, what the mean prefers.
    let merged = |classes: [usize; 16]| -> Vec<f32> {
        classes.iter().flat_map(|&class| (0..4).map(move |at| if at == class { 1.0 } else { 0.0 })).collect()
    };
    let of_left = merged([0, 1, 0, 1, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2]);
    assert_eq!(set.merged_agreement(&of_left), [1.0, 0.0]);
    let error = set.check_merged(&of_left).unwrap_err();
    assert!(error.message().contains("as the teachers do on 50 % of the texts"), "{error}");

    // Both are surest of the same texts here, so that the mean can please one of them on each: half is not enough.
    let divided = merged([0, 1, 2, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(set.merged_agreement(&divided), [0.5, 0.5]);
    assert!(set.check_merged(&divided).is_err());

    // The right teacher is surest of the last texts.
    let mut turned = teacher(16);
    turned.logits = turned.logits.chunks_exact(2).rev().flatten().copied().collect();
    let outputs = [teacher(16), turned];
    let set = TransferSet::new(&outputs, &join).unwrap();
    let worth = merged([0, 1, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 3, 2, 3, 3]);
    let agreement = set.merged_agreement(&worth);
    assert_eq!(agreement[0], 0.75);
    assert!(agreement[1] > 0.5, "{agreement:?}");
    set.check_merged(&worth).unwrap();
}
