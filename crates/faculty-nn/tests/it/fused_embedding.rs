//! The fused embeddings against the same in plain operations.

use burn::module::Param;
use burn::tensor::{Device, Tensor, TensorData};
use faculty_core::Stream;
use faculty_nn::fused::{RowGradients, supports_embeddings};
use faculty_nn::{
    DropoutPlan, DropoutRates, Embeddings, EncoderConfig, RowKeys, SequenceClassifier, Spans, TokenInput,
};
use serde_json::json;

const VOCABULARY: usize = 23;

/// What one comparison runs on.
#[derive(Debug, Clone)]
struct Case {
    family: &'static str,
    /// Features of the embeddings and of the hidden states.
    widths: [usize; 2],
    spans: Spans,
    times: usize,
    rate: f32,
}

/// Parameters of the embeddings, in the order of [`parameters`].
const NAMES: [&str; 5] = ["words", "positions", "types", "gamma", "beta"];

impl Case {
    fn new(family: &'static str, spans: Spans) -> Self {
        Self { family, widths: [12, 12], spans, times: 1, rate: 0.0 }
    }

    fn config(&self) -> EncoderConfig {
        let config = json!({"model_type": self.family, "vocab_size": VOCABULARY, "hidden_size": self.widths[1],
            "embedding_size": self.widths[0], "num_hidden_layers": 1, "num_attention_heads": 1, "intermediate_size": 4,
            "max_position_embeddings": 60, "type_vocab_size": 2, "dim": self.widths[1], "n_layers": 1, "n_heads": 1,
            "hidden_dim": 4, "layer_norm_eps": 1e-5});
        EncoderConfig::from_hf(config.as_object().unwrap()).unwrap()
    }

    fn embeddings(&self, device: &Device) -> Embeddings {
        let mut embeddings =
            SequenceClassifier::fresh(&self.config(), 2, Stream::new(1, "model"), device).encoder.embeddings;
        let noise = |index: u64, shape: [usize; 2], center: f64| {
            let stream = Stream::new(2, "values").fork(index);
            let values = (0..(shape[0] * shape[1]) as u64).map(|i| (center + stream.normal_at(i)) as f32).collect();
            Tensor::<2>::from_data(TensorData::new::<f32, _>(values, shape), device)
        };
        let table = |index, old: &Param<Tensor<2>>| Param::from_tensor(noise(index, old.val().dims(), 0.0));
        let vector = |index, center| Param::from_tensor(noise(index, [1, self.widths[0]], center).squeeze_dim(0));
        embeddings.words = table(0, &embeddings.words);
        embeddings.positions = table(1, &embeddings.positions);
        embeddings.types = embeddings.types.as_ref().map(|types| table(2, types));
        embeddings.norm.gamma = vector(3, 1.0);
        embeddings.norm.beta = vector(4, 0.0);
        embeddings
    }

    fn input(&self, device: &Device) -> TokenInput {
        let count = self.spans.rows() * self.spans.width();
        let stream = Stream::new(3, "ids");
        let ids: Vec<u32> = (0..count as u64).map(|at| stream.below_at(at, VOCABULARY as u64 - 3) as u32).collect();
        let types: Vec<u32> = (0..count as u64).map(|at| stream.below_at(at + 1000, 2) as u32).collect();
        TokenInput::new(&self.config(), &ids, &types, self.spans.clone(), device).unwrap()
    }

    fn output_spans(&self) -> Spans {
        self.spans.repeat(self.times)
    }

    fn dropout(&self) -> DropoutPlan {
        let identities: Vec<u64> = (0..(self.spans.rows() * self.times) as u64).collect();
        let keys = RowKeys::for_pass(Stream::new(4, "dropout"), 0, &identities);
        DropoutPlan::Sampled { rates: DropoutRates::uniform(self.rate), keys }
    }

    /// A tensor of the output's shape that is 0 at padding.
    fn weighting(&self, device: &Device) -> Tensor<3> {
        let (spans, width) = (self.output_spans(), self.widths[1]);
        let stream = Stream::new(5, "weighting");
        let keep = spans.keep_mask();
        let values: Vec<f32> =
            (0..keep.len() * width).map(|at| stream.normal_at(at as u64) as f32 * keep[at / width]).collect();
        Tensor::from_data(TensorData::new(values, [spans.rows(), spans.width(), width]), device)
    }

    /// Output at text and gradients of its weighted sum.
    fn run(&self, fused: bool, frozen: &[usize]) -> (Vec<f32>, Vec<(&'static str, Vec<f32>)>) {
        let device = Device::flex().autodiff();
        let embeddings = freeze(self.embeddings(&device), frozen);
        assert!(supports_embeddings(&embeddings));
        let (input, spans) = (self.input(&device), self.output_spans());
        let output = if fused {
            embeddings.forward(&input, &spans, &self.dropout())
        } else {
            embeddings.forward_plain(&input, &spans, &self.dropout())
        };
        let weighted = output.clone() * self.weighting(&device);
        let keep = TensorData::new(spans.keep_mask(), [spans.rows(), spans.width(), 1]);
        let values = floats(output * Tensor::<3>::from_data(keep, &device));
        let grads = weighted.sum().backward();
        (
            values,
            gradients(&embeddings, |tensor| tensor.grad(&grads).map(floats), |tensor| tensor.grad(&grads).map(floats)),
        )
    }

    fn assert_equal(&self, frozen: &[usize]) {
        let (expected, expected_grads) = self.run(false, frozen);
        let (actual, grads) = self.run(true, frozen);
        assert_close("output", &actual, &expected, self);
        assert_eq!(grads.len(), expected_grads.len(), "{self:?}");
        for ((name, grad), (expected_name, expected)) in grads.iter().zip(&expected_grads) {
            assert_eq!(name, expected_name);
            assert_close(name, grad, expected, self);
        }
    }
}

fn gradients(
    embeddings: &Embeddings,
    table: impl Fn(Tensor<2>) -> Option<Vec<f32>>,
    vector: impl Fn(Tensor<1>) -> Option<Vec<f32>>,
) -> Vec<(&'static str, Vec<f32>)> {
    let all = [
        table(embeddings.words.val()),
        table(embeddings.positions.val()),
        embeddings.types.as_ref().and_then(|types| table(types.val())),
        vector(embeddings.norm.gamma.val()),
        vector(embeddings.norm.beta.val()),
        embeddings.projection.as_ref().and_then(|projection| table(projection.weight.val())),
    ];
    let names = NAMES.into_iter().chain(["projection"]);
    names.zip(all).filter_map(|(name, grad)| Some((name, grad?))).collect()
}

fn freeze(mut embeddings: Embeddings, frozen: &[usize]) -> Embeddings {
    for index in frozen {
        match index {
            0 => embeddings.words = embeddings.words.set_require_grad(false),
            1 => embeddings.positions = embeddings.positions.set_require_grad(false),
            2 => embeddings.types = embeddings.types.map(|types| types.set_require_grad(false)),
            3 => embeddings.norm.gamma = embeddings.norm.gamma.set_require_grad(false),
            _ => embeddings.norm.beta = embeddings.norm.beta.set_require_grad(false),
        }
    }
    embeddings
}

fn floats<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().try_to_vec().unwrap()
}

fn assert_close(name: &str, actual: &[f32], expected: &[f32], case: &Case) {
    assert_eq!(actual.len(), expected.len(), "{name} of {case:?}");
    // Sums of many terms: the bound scales with the largest element.
    let largest = expected.iter().fold(1.0_f32, |most, value| most.max(value.abs()));
    for (index, (a, b)) in actual.iter().zip(expected).enumerate() {
        assert!((a - b).abs() <= 1e-6 * largest, "{name}[{index}]: {a} instead of {b} in {case:?}");
    }
}

fn mixed_spans() -> Spans {
    Spans::right_padded(&[5, 1, 7, 3], 8).unwrap()
}

#[test]
fn every_family_under_both_paddings_agrees() {
    for family in ["bert", "distilbert", "roberta", "electra"] {
        for spans in [mixed_spans(), Spans::left_padded(&[5, 1, 7, 3], 8).unwrap()] {
            for rate in [0.0, 0.3] {
                Case { rate, ..Case::new(family, spans.clone()) }.assert_equal(&[]);
            }
        }
    }
}

#[test]
fn narrow_embeddings_are_projected() {
    Case { widths: [7, 20], rate: 0.2, ..Case::new("electra", mixed_spans()) }.assert_equal(&[]);
}

#[test]
fn repeated_rows_and_many_chunks_agree() {
    let many = Spans::right_padded(&(0..60).map(|row| 3 + row % 14).collect::<Vec<_>>(), 17).unwrap();
    Case { times: 3, rate: 0.1, ..Case::new("bert", mixed_spans()) }.assert_equal(&[]);
    Case { widths: [37, 37], times: 2, rate: 0.1, ..Case::new("bert", many.clone()) }.assert_equal(&[]);
    Case { widths: [1, 1], ..Case::new("bert", many) }.assert_equal(&[]);
}

#[test]
fn passes_of_repeated_rows_differ_by_their_masks() {
    let case = Case { times: 2, rate: 0.3, ..Case::new("bert", mixed_spans()) };
    let passes = case.run(true, &[]).0;
    let (first, second) = passes.split_at(passes.len() / 2);
    assert_ne!(first, second);
    let passes = Case { rate: 0.0, ..case }.run(true, &[]).0;
    let (first, second) = passes.split_at(passes.len() / 2);
    assert_eq!(first, second);
}

#[test]
fn frozen_parameters_get_no_gradient_and_change_no_other() {
    let case = Case { rate: 0.1, ..Case::new("bert", mixed_spans()) };
    for kept in 0..NAMES.len() {
        let frozen: Vec<usize> = (0..NAMES.len()).filter(|index| *index != kept).collect();
        case.assert_equal(&frozen);
        case.assert_equal(&[kept]);
    }
}

#[test]
fn frozen_embeddings_are_not_tracked() {
    let case = Case::new("bert", mixed_spans());
    let device = Device::flex().autodiff();
    let embeddings = freeze(case.embeddings(&device), &[0, 1, 2, 3, 4]);
    assert!(!embeddings.forward(&case.input(&device), &case.spans, &DropoutPlan::Off).is_tracked());
}

#[test]
fn rows_collect_what_autodiff_would_have() {
    let case = Case { rate: 0.1, times: 2, ..Case::new("bert", mixed_spans()) };
    let dense = case.run(true, &[]).1;
    let device = Device::flex().autodiff();
    let embeddings = freeze(case.embeddings(&device), &[0]);
    let collector = RowGradients::new();
    let input = case.input(&device).collecting(&collector);
    let output = embeddings.forward(&input, &case.output_spans(), &case.dropout());
    assert_eq!(collector.take(), None, "nothing before the backward pass");
    let grads = (output.clone() * case.weighting(&device)).sum().backward();
    let gradient = collector.take().unwrap();
    assert_eq!(gradient.rows(), input.word_rows());
    assert!(gradient.rows().len() < VOCABULARY, "some row is not touched");
    assert_eq!(("words", gradient.to_dense(VOCABULARY)), dense[0]);
    assert!(embeddings.words.val().grad(&grads).is_none());

    // A table that wants a gradient of its own leaves nothing in the collector.
    let embeddings = case.embeddings(&device);
    let output = embeddings.forward(&input, &case.output_spans(), &case.dropout());
    let grads = (output * case.weighting(&device)).sum().backward();
    assert_eq!(collector.take(), None);
    assert_eq!(floats(embeddings.words.val().grad(&grads).unwrap()), dense[0].1);
}

#[test]
fn padding_is_zero_and_both_devices_compute_equal_bytes() {
    let case = Case { rate: 0.1, ..Case::new("roberta", mixed_spans()) };
    let run = |device: Device| floats(case.embeddings(&device).embed(&case.input(&device)));
    let plain = run(Device::flex());
    assert_eq!(plain, run(Device::flex().autodiff()));
    for (token, keep) in case.spans.keep_mask().into_iter().enumerate() {
        let is_zero = plain[token * 12..(token + 1) * 12].iter().all(|value| *value == 0.0);
        assert_eq!(is_zero, keep == 0.0, "token {token}");
    }
}

#[test]
fn embedding_then_entering_is_the_one_operation() {
    let case = Case { rate: 0.2, ..Case::new("bert", mixed_spans()) };
    let device = Device::flex();
    let (embeddings, input) = (case.embeddings(&device), case.input(&device));
    let whole = embeddings.forward(&input, &case.spans, &case.dropout());
    let parts = embeddings.enter(embeddings.embed(&input), &case.spans, &case.dropout());
    assert_eq!(floats(whole), floats(parts));
}

#[test]
fn results_are_equal_bytes_on_any_number_of_threads() {
    let spans = Spans::right_padded(&(0..200).map(|row| 5 + row % 11).collect::<Vec<_>>(), 16).unwrap();
    let case = Case { widths: [64, 64], rate: 0.1, ..Case::new("bert", spans) };
    let on = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| case.run(true, &[]))
    };
    let one = on(1);
    for threads in [2, 3] {
        assert!(on(threads) == one, "{threads} threads");
    }
}

#[test]
fn soft_embeddings_carry_their_gradient_and_equal_the_hard_ones() {
    let case = Case::new("bert", mixed_spans());
    let device = Device::flex().autodiff();
    let (embeddings, input) = (case.embeddings(&device), case.input(&device));
    let [rows, width] = [case.spans.rows(), case.spans.width()];
    let ids = (0..rows * width).map(|at| Stream::new(3, "ids").below_at(at as u64, VOCABULARY as u64 - 3) as usize);
    let one_hot: Vec<f32> =
        ids.flat_map(|id| (0..VOCABULARY).map(move |word| f32::from(u8::from(word == id)))).collect();
    let one_hot = Tensor::<3>::from_data(TensorData::new(one_hot, [rows, width, VOCABULARY]), &device).require_grad();
    let soft = embeddings.embed_soft(embeddings.mix(one_hot.clone()), &input);
    let hard = embeddings.embed(&input);
    assert_eq!(floats(soft.clone()), floats(hard.clone()));
    let words = |output: Tensor<3>| (output * case.weighting(&device)).sum().backward();
    let (soft, hard) = (words(soft), words(hard));
    let word_grad = |grads| floats(embeddings.words.val().grad(grads).unwrap());
    assert_close("words", &word_grad(&soft), &word_grad(&hard), &case);
    let position_grad = |grads| floats(embeddings.positions.val().grad(grads).unwrap());
    assert_eq!(position_grad(&soft), position_grad(&hard));
    let distribution_grad = floats(one_hot.grad(&soft).unwrap());
    for (token, keep) in case.spans.keep_mask().into_iter().enumerate() {
        let row = &distribution_grad[token * VOCABULARY..(token + 1) * VOCABULARY];
        assert_eq!(row.iter().all(|value| *value == 0.0), keep == 0.0, "token {token}");
    }
}
