//! Padding and batch composition never change a result.

use crate::support::{GOLDEN, difference, golden_text, input, open, rows_of};
use faculty_core::{Silent, Stream};
use faculty_nn::{DropoutPlan, DropoutRates, RowKeys, Taps, host_values};
use faculty_text::PadSide;

#[test]
fn any_amount_of_padding_gives_the_same_logits_with_and_without_dropout() {
    for name in &GOLDEN[..5] {
        let (classifier, text) = (open(name), golden_text(name));
        let rows = rows_of(&text.input_ids);
        let identities: Vec<u64> = (0..rows.len() as u64).collect();
        let keys = RowKeys::for_pass(Stream::new(5, "test"), 0, &identities);
        for plan in [DropoutPlan::Off, DropoutPlan::Sampled { rates: DropoutRates::uniform(0.1), keys }] {
            let logits = |min_width| {
                let input = input(&classifier, &rows, PadSide::Right, min_width);
                host_values(classifier.network.forward(&input, &plan, &Taps::None).logits).unwrap()
            };
            let narrow = logits(0);
            for width in [31, 48, 60] {
                let difference = difference(&narrow, &logits(width));
                assert!(difference < 2e-6, "{name}, width {width}: {difference}");
            }
        }
    }
}

#[test]
fn a_shuffled_text_set_gives_the_same_logits_in_its_own_order() {
    for name in &GOLDEN[..5] {
        let (classifier, text) = (open(name), golden_text(name));
        let many: Vec<String> = text.texts.iter().cycle().take(50).cloned().collect();
        let classes = classifier.labels.len();
        let logits = |texts: &[String]| classifier.logits(&classifier.tokenize(texts, None).unwrap(), &Silent).unwrap();
        let straight = logits(&many);
        let order = Stream::new(1, "order").permutation(many.len());
        let shuffled: Vec<String> = order.iter().map(|&index| many[index].clone()).collect();
        let shuffled = logits(&shuffled);
        for (position, &index) in order.iter().enumerate() {
            let a = &straight[index * classes..(index + 1) * classes];
            let b = &shuffled[position * classes..(position + 1) * classes];
            assert!(difference(a, b) < 2e-6, "{name}");
        }
    }
}
