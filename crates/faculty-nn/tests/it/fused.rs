//! The fused layer against the same layer in plain operations.

use crate::tolerance::Tolerance;
use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor, TensorData};
use faculty_core::Stream;
use faculty_nn::{
    Activation, DropoutPlan, DropoutRates, EncoderLayer, LayerNorm, Linear, Precision, RowKeys, Spans, fused,
    fused::supports,
};

/// What one comparison runs on.
#[derive(Debug, Clone)]
pub(crate) struct Case {
    pub(crate) seed: u64,
    pub(crate) heads: usize,
    pub(crate) head_width: usize,
    pub(crate) inner: usize,
    pub(crate) activation: Activation,
    pub(crate) spans: Spans,
    pub(crate) rates: DropoutRates,
    pub(crate) epsilon: f64,
    pub(crate) precision: Precision,
}

/// The number that [`Case`] gives its layer: it names the dropout sites.
pub(crate) const LAYER: u32 = 1;

impl Case {
    pub(crate) fn new(seed: u64, spans: Spans) -> Self {
        Self {
            seed,
            heads: 2,
            head_width: 8,
            inner: 24,
            activation: Activation::Gelu,
            spans,
            rates: DropoutRates::uniform(0.0),
            epsilon: 1e-12,
            precision: Precision::F32,
        }
    }

    pub(crate) fn width(&self) -> usize {
        self.heads * self.head_width
    }

    pub(crate) fn layer(&self, device: &Device) -> EncoderLayer {
        let (width, inner) = (self.width(), self.inner);
        let stream = Stream::new(self.seed, "layer");
        let matrix = |index: u64, rows: usize, columns: usize| {
            let values = normals(stream.fork(index), rows * columns, 1.5 / (rows as f64).sqrt(), 0.0);
            Param::from_tensor(Tensor::<2>::from_data(TensorData::new(values, [rows, columns]), device))
        };
        let vector = |index: u64, size: usize, center: f64| {
            let values = normals(stream.fork(index), size, 0.2, center);
            Param::from_tensor(Tensor::<1>::from_data(TensorData::new(values, [size]), device))
        };
        let linear = |index: u64, rows: usize, columns: usize| Linear {
            weight: matrix(index, rows, columns),
            bias: vector(index + 1, columns, 0.0),
        };
        let norm = |index: u64| LayerNorm {
            gamma: vector(index, width, 1.0),
            beta: vector(index + 1, width, 0.0),
            epsilon: self.epsilon,
        };
        EncoderLayer {
            qkv: linear(0, width, 3 * width),
            attention_output: linear(2, width, width),
            attention_norm: norm(4),
            feed_forward_in: linear(6, width, inner),
            feed_forward_out: linear(8, inner, width),
            output_norm: norm(10),
            heads: self.heads,
            activation: self.activation,
            precision: self.precision,
            packed: fused::WeightCache::default(),
        }
    }

    pub(crate) fn hidden(&self, device: &Device, index: u64) -> Tensor<3> {
        let shape = [self.spans.rows(), self.spans.width(), self.width()];
        let values = normals(Stream::new(self.seed, "hidden").fork(index), shape.iter().product(), 1.0, 0.0);
        Tensor::from_data(TensorData::new(values, shape), device)
    }

    pub(crate) fn dropout(&self) -> DropoutPlan {
        if self.rates.is_zero() {
            return DropoutPlan::Off;
        }
        let identities: Vec<u64> = (0..self.spans.rows() as u64).collect();
        let keys = RowKeys::for_pass(Stream::new(self.seed, "dropout"), 3, &identities);
        DropoutPlan::Sampled { rates: self.rates, keys }
    }

    fn keep(&self, device: &Device) -> Tensor<3> {
        keep_text(&self.spans, self.width(), device)
    }

    /// Output and gradients (input first, then the parameters that want one) of a weighted sum of the output at text; the
    /// weights are [`Case::hidden`] number 1.
    pub(crate) fn gradients(&self, fused: bool, frozen: &[usize], input_wants: bool) -> Gradients {
        let device = Device::flex().autodiff();
        let layer = freeze(self.layer(&device), frozen);
        let mut hidden = self.hidden(&device, 0);
        if input_wants {
            hidden = hidden.require_grad();
        }
        let weights = self.hidden(&device, 1) * self.keep(&device);
        differentiate(&layer, hidden, weights, &self.spans, &self.dropout(), fused)
    }

    /// Compares the fused layer with the plain one.
    ///
    /// # Errors
    /// Says what is off by how much.
    pub(crate) fn compare(&self, frozen: &[usize], input_wants: bool) -> Result<(), String> {
        let expected = self.gradients(false, frozen, input_wants);
        let actual = self.gradients(true, frozen, input_wants);
        let names = |grads: &Gradients| grads.1.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
        assert_eq!(names(&actual), names(&expected), "{self:?}");
        Tolerance::to_plain(self.precision, self.width()).compare(&actual, &expected, self)
    }

    #[track_caller]
    pub(crate) fn assert_equal(&self, frozen: &[usize], input_wants: bool) {
        self.compare(frozen, input_wants).unwrap_or_else(|what| panic!("{what}"));
    }
}

/// Output of a layer (0 at padding), and gradients of its sum weighted with `weights` (0 at padding).
pub(crate) fn differentiate(
    layer: &EncoderLayer,
    hidden: Tensor<3>,
    weights: Tensor<3>,
    spans: &Spans,
    dropout: &DropoutPlan,
    fused: bool,
) -> Gradients {
    let output = if fused {
        assert!(supports(&hidden.device(), layer), "the CPU backend has the fused layer");
        fused::encoder_layer(layer, LAYER, hidden.clone(), spans, dropout)
    } else {
        layer.forward_plain(LAYER, hidden.clone(), spans, dropout)
    };
    let values = floats(output.clone() * keep_text(spans, output.dims()[2], &output.device()));
    let grads = (output * weights).sum().backward();
    let mut result = Vec::new();
    if let Some(grad) = hidden.grad(&grads) {
        result.push(("input".to_string(), floats(grad)));
    }
    for (name, weight) in matrices(layer) {
        if let Some(grad) = weight.val().grad(&grads) {
            result.push((name.to_string(), floats(grad)));
        }
    }
    for (name, vector) in vectors(layer) {
        if let Some(grad) = vector.val().grad(&grads) {
            result.push((name.to_string(), floats(grad)));
        }
    }
    (values, result)
}

/// 1 at text, 0 at padding, in the shape of hidden states of `width` features.
pub(crate) fn keep_text(spans: &Spans, width: usize, device: &Device) -> Tensor<3> {
    let keep = TensorData::new(spans.keep_mask(), [spans.rows(), spans.width(), 1]);
    Tensor::<3>::from_data(keep, device).expand([spans.rows(), spans.width(), width])
}

/// Values of an output, and gradients by name.
pub(crate) type Gradients = (Vec<f32>, Vec<(String, Vec<f32>)>);

pub(crate) fn normals(stream: Stream, count: usize, deviation: f64, center: f64) -> Vec<f32> {
    (0..count as u64).map(|index| (center + deviation * stream.normal_at(index)) as f32).collect()
}

pub(crate) fn floats<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().try_to_vec().unwrap()
}

pub(crate) fn matrices(layer: &EncoderLayer) -> [(&'static str, &Param<Tensor<2>>); 4] {
    [
        ("qkv", &layer.qkv.weight),
        ("attention output", &layer.attention_output.weight),
        ("feed-forward in", &layer.feed_forward_in.weight),
        ("feed-forward out", &layer.feed_forward_out.weight),
    ]
}

pub(crate) fn vectors(layer: &EncoderLayer) -> [(&'static str, &Param<Tensor<1>>); 8] {
    [
        ("qkv bias", &layer.qkv.bias),
        ("attention output bias", &layer.attention_output.bias),
        ("feed-forward in bias", &layer.feed_forward_in.bias),
        ("feed-forward out bias", &layer.feed_forward_out.bias),
        ("attention gamma", &layer.attention_norm.gamma),
        ("attention beta", &layer.attention_norm.beta),
        ("output gamma", &layer.output_norm.gamma),
        ("output beta", &layer.output_norm.beta),
    ]
}

/// Freezes the tensors `frozen`, counted as in [`matrices`], then [`vectors`].
fn freeze(mut layer: EncoderLayer, frozen: &[usize]) -> EncoderLayer {
    for index in frozen {
        let matrix = |param: Param<Tensor<2>>| param.set_require_grad(false);
        let vector = |param: Param<Tensor<1>>| param.set_require_grad(false);
        match index {
            0 => layer.qkv.weight = matrix(layer.qkv.weight),
            1 => layer.attention_output.weight = matrix(layer.attention_output.weight),
            2 => layer.feed_forward_in.weight = matrix(layer.feed_forward_in.weight),
            3 => layer.feed_forward_out.weight = matrix(layer.feed_forward_out.weight),
            4 => layer.qkv.bias = vector(layer.qkv.bias),
            5 => layer.attention_output.bias = vector(layer.attention_output.bias),
            6 => layer.feed_forward_in.bias = vector(layer.feed_forward_in.bias),
            7 => layer.feed_forward_out.bias = vector(layer.feed_forward_out.bias),
            8 => layer.attention_norm.gamma = vector(layer.attention_norm.gamma),
            9 => layer.attention_norm.beta = vector(layer.attention_norm.beta),
            10 => layer.output_norm.gamma = vector(layer.output_norm.gamma),
            _ => layer.output_norm.beta = vector(layer.output_norm.beta),
        }
    }
    layer
}

fn assert_close(name: &str, actual: &[f32], expected: &[f32], relative: f32, absolute: f32, case: &Case) {
    assert_eq!(actual.len(), expected.len(), "{name}: {case:?}");
    for (index, (actual, expected)) in actual.iter().zip(expected).enumerate() {
        let tolerance = absolute + relative * expected.abs();
        assert!(
            (actual - expected).abs() <= tolerance,
            "{name}[{index}]: {actual} instead of {expected} (tolerance {tolerance}); {case:?}"
        );
    }
}

pub(crate) fn mixed_spans() -> Spans {
    Spans::right_padded(&[5, 1, 7, 3], 7).unwrap()
}

/// Enough tokens for the way that long steps take.
pub(crate) fn many_spans() -> Spans {
    let lengths: Vec<usize> = (0..120).map(|row| 5 + row % 9).collect();
    assert!(lengths.iter().sum::<usize>() > crate::fused_fuzz::MANY_TOKENS);
    Spans::right_padded(&lengths, 13).unwrap()
}

#[test]
fn without_dropout_the_fused_layer_is_the_plain_one() {
    for activation in [Activation::Gelu, Activation::GeluNew, Activation::Relu, Activation::Tanh] {
        Case { activation, ..Case::new(1, mixed_spans()) }.assert_equal(&[], true);
    }
}

#[test]
fn with_dropout_the_fused_layer_samples_the_same_masks() {
    let case = Case { rates: DropoutRates::uniform(0.2), ..Case::new(2, mixed_spans()) };
    case.assert_equal(&[], true);
    let plain = case.gradients(true, &[], true).0;
    let off = Case { rates: DropoutRates::uniform(0.0), ..case }.gradients(true, &[], true).0;
    assert_ne!(plain, off, "dropout does something");
}

#[test]
fn left_padding_and_single_tokens_are_no_special_cases() {
    let rates = DropoutRates { hidden: 0.1, attention: 0.3, classifier: 0.0 };
    for spans in [
        Spans::left_padded(&[2, 6, 1], 6).unwrap(),
        Spans::right_padded(&[1], 1).unwrap(),
        Spans::right_padded(&[1, 1, 1], 4).unwrap(),
        Spans::right_padded(&[40, 33, 17], 40).unwrap(),
    ] {
        Case { rates, ..Case::new(3, spans) }.assert_equal(&[], true);
    }
}

#[test]
fn widths_that_fill_no_vector_and_many_chunks_agree() {
    let rates = DropoutRates::uniform(0.1);
    let many = Spans::right_padded(&(0..60).map(|row| 3 + row % 14).collect::<Vec<_>>(), 17).unwrap();
    Case { rates, heads: 3, head_width: 5, inner: 31, ..Case::new(4, many.clone()) }.assert_equal(&[], true);
    Case { rates, heads: 1, head_width: 1, inner: 1, epsilon: 1e-5, ..Case::new(5, mixed_spans()) }
        .assert_equal(&[], true);
    Case { rates, heads: 12, head_width: 32, inner: 100, ..Case::new(6, many) }.assert_equal(&[], true);
    let more = Spans::left_padded(&(0..120).map(|row| 13 + row % 9).collect::<Vec<_>>(), 21).unwrap();
    Case { rates, ..Case::new(13, more) }.assert_equal(&[], true);
}

#[test]
fn frozen_parameters_and_inputs_get_no_gradient_and_change_no_other() {
    let case = Case { rates: DropoutRates::uniform(0.1), ..Case::new(7, mixed_spans()) };
    let all: Vec<usize> = (0..12).collect();
    for kept in 0..12 {
        let frozen: Vec<usize> = all.iter().copied().filter(|index| *index != kept).collect();
        case.assert_equal(&frozen, false);
    }
    case.assert_equal(&all, true);
    case.assert_equal(&[0, 4, 3, 9], true);
    case.assert_equal(&[0, 4], false);
    case.assert_equal(&[], false);
    let many = Case { spans: many_spans(), ..case };
    many.assert_equal(&all, true);
    many.assert_equal(&[0, 4, 3, 9], true);
    many.assert_equal(&[1, 2], false);
}

#[test]
fn a_frozen_layer_on_a_frozen_input_is_not_tracked() {
    let case = Case::new(8, mixed_spans());
    let device = Device::flex().autodiff();
    let layer = case.layer(&device).no_grad();
    let output = fused::encoder_layer(&layer, 0, case.hidden(&device, 0), &case.spans, &DropoutPlan::Off);
    assert!(!output.is_tracked());
}

#[test]
fn plain_and_autodiff_devices_compute_equal_bytes() {
    let case = Case { rates: DropoutRates::uniform(0.1), heads: 4, head_width: 16, ..Case::new(9, many_spans()) };
    let run = |device: Device| {
        let layer = case.layer(&device);
        floats(fused::encoder_layer(&layer, 1, case.hidden(&device, 0), &case.spans, &case.dropout()))
    };
    assert_eq!(run(Device::flex()), run(Device::flex().autodiff()));
}

#[test]
fn few_tokens_without_gradients_have_the_bytes_of_the_plain_device_and_with_them_its_numbers() {
    let case = Case { rates: DropoutRates::uniform(0.1), heads: 4, head_width: 16, ..Case::new(9, mixed_spans()) };
    let run = |layer: &EncoderLayer, device: &Device| {
        floats(fused::encoder_layer(layer, 1, case.hidden(device, 0), &case.spans, &case.dropout()))
    };
    let (plain, autodiff) = (Device::flex(), Device::flex().autodiff());
    let expected = run(&case.layer(&plain), &plain);
    assert_eq!(run(&case.layer(&autodiff).no_grad(), &autodiff), expected);
    assert_close("tracked", &run(&case.layer(&autodiff), &autodiff), &expected, 3e-6, 3e-6, &case);
}

#[test]
fn padding_of_the_output_is_zero_and_padding_of_the_input_is_not_read() {
    let case = Case::new(10, mixed_spans());
    let device = Device::flex();
    let layer = case.layer(&device);
    let keep = case.keep(&device);
    let run = |hidden: Tensor<3>| fused::encoder_layer(&layer, 0, hidden, &case.spans, &DropoutPlan::Off);
    let hidden = case.hidden(&device, 0);
    let output = run(hidden.clone());
    assert_eq!(floats(output.clone() * keep.clone()), floats(output.clone()));
    assert_eq!(floats(run(hidden * keep)), floats(output));
}

#[test]
fn results_are_equal_bytes_on_any_number_of_threads_and_every_time() {
    let spans = Spans::right_padded(&(0..200).map(|row| 5 + row % 11).collect::<Vec<_>>(), 16).unwrap();
    let rates = DropoutRates::uniform(0.1);
    let case = Case { rates, heads: 4, head_width: 16, inner: 256, ..Case::new(11, spans) };
    let on = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| case.gradients(true, &[], true))
    };
    let one = on(1);
    for threads in [1, 2, 3] {
        assert!(on(threads) == one, "{threads} threads");
    }
}

#[test]
fn a_row_does_not_depend_on_its_batch_or_padding() {
    let device = Device::flex();
    let rates = DropoutRates::uniform(0.1);
    let whole = Case { rates, ..Case::new(12, Spans::right_padded(&[4, 2], 6).unwrap()) };
    let layer = whole.layer(&device);
    let hidden = whole.hidden(&device, 0);
    let keys = |identities: &[u64]| DropoutPlan::Sampled {
        rates,
        keys: RowKeys::for_pass(Stream::new(1, "keys"), 0, identities),
    };
    let both = fused::encoder_layer(&layer, 0, hidden.clone(), &whole.spans, &keys(&[7, 8]));
    let second = hidden.slice([1..2, 0..2]);
    let alone = fused::encoder_layer(&layer, 0, second, &Spans::right_padded(&[2], 2).unwrap(), &keys(&[8]));
    assert_close("row", &floats(alone), &floats(both.slice([1..2, 0..2])), 1e-6, 1e-6, &whole);
}
