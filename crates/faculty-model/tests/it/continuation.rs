//! Continuing from the middle, and from soft embeddings.

use crate::support::{GOLDEN, difference, golden_text, input, open, rows_of};
use burn::tensor::{Device, Tensor, TensorData};
use faculty_core::Stream;
use faculty_nn::{DropoutPlan, DropoutRates, RowKeys, Taps, host_values};
use faculty_text::PadSide;

fn plans(rows: usize) -> [DropoutPlan; 2] {
    let identities: Vec<u64> = (0..rows as u64).collect();
    let keys = RowKeys::for_pass(Stream::new(3, "test"), 0, &identities);
    [DropoutPlan::Off, DropoutPlan::Sampled { rates: DropoutRates::uniform(0.2), keys }]
}

#[test]
fn continuing_behind_any_layer_gives_what_the_whole_pass_gives() {
    for name in &GOLDEN[..5] {
        let (classifier, text) = (open(name), golden_text(name));
        let input = input(&classifier, &rows_of(&text.input_ids), PadSide::Right, 0);
        for plan in plans(text.input_ids.len()) {
            let whole = classifier.network.encoder.forward(&input, &plan, &Taps::All);
            let expected = host_values(whole.last).unwrap();
            for (layer, state) in whole.taps {
                let rest = classifier.network.encoder.forward_from(layer, state, input.spans(), &plan, &Taps::None);
                assert_eq!(host_values(rest.last).unwrap(), expected, "{name}, layer {layer}");
            }
        }
    }
}

#[test]
fn soft_embeddings_of_hard_choices_continue_exactly_like_ids() {
    for name in &GOLDEN[..5] {
        let (classifier, text) = (open(name), golden_text(name));
        let rows = rows_of(&text.input_ids[..3]);
        let input = input(&classifier, &rows, PadSide::Right, 0);
        let (batch, width, vocabulary) = (rows.len(), input.spans().width(), classifier.config.vocab_size);
        let pad = classifier.tokenizer.pad_id();
        let mut one_hot = vec![0f32; batch * width * vocabulary];
        for (row, tokens) in rows.iter().enumerate() {
            for position in 0..width {
                let id = tokens.ids.get(position).copied().unwrap_or(pad) as usize;
                one_hot[(row * width + position) * vocabulary + id] = 1.0;
            }
        }
        let one_hot = Tensor::<3>::from_data(TensorData::new(one_hot, [batch, width, vocabulary]), &Device::flex());
        for plan in plans(batch) {
            let embeddings = &classifier.network.encoder.embeddings;
            let soft = embeddings.embed_soft(embeddings.mix(one_hot.clone()), &input);
            let soft = classifier.network.encoder.forward_embedded(soft, input.spans(), &plan, &Taps::None).last;
            let hard = classifier.network.encoder.forward(&input, &plan, &Taps::None).last;
            let difference = difference(&host_values(soft).unwrap(), &host_values(hard).unwrap());
            assert!(difference < 1e-6, "{name}: {difference}");
        }
    }
}
