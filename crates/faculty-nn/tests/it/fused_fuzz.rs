//! The fused layer against plain operations over random shapes.
//!
//! A normal run takes a few seconds. For a long one:
//!
//! ```sh
//! FACULTY_FUZZ_CASES=20000 cargo test -p faculty-nn --test it fused_fuzz
//! ```
//!
//! `FACULTY_FUZZ_FIRST=n` starts at case n: with one case, it repeats a failure (the message names the seed).

use crate::fused::Case;
use crate::reference::Reference;
use faculty_core::Stream;
use faculty_nn::{Activation, DropoutRates, Precision, Spans};

const CASES: u64 = 240;

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{name}={text} is no number")))
}

fn seeds() -> std::ops::Range<u64> {
    let first = setting("FACULTY_FUZZ_FIRST", 0);
    first..first + setting("FACULTY_FUZZ_CASES", CASES)
}

/// Padded tokens of one case: attention in plain operations takes memory with the square of the length.
const TOKENS: usize = 260;

/// Tokens from which training in f32 takes tiles where the processor has them.
pub(crate) const MANY_TOKENS: usize = 1024;

/// The case of a seed.
pub(crate) fn case(seed: u64) -> Case {
    let stream = Stream::new(seed, "shapes");
    let pick = |counter: u64, bound: u64| stream.below_at(counter, bound) as usize;
    // Small shapes have the corners, so they come more often.
    let longest = 1 + pick(0, [8, 40, 150][pick(20, 3)]);
    let rows = (1 + pick(1, 40)).min(TOKENS.div_ceil(longest));
    let width = longest + pick(21, 3);
    let equal = pick(22, 4) == 0;
    let length = |row: usize| if equal || row == 0 { longest } else { 1 + pick(100 + row as u64, longest as u64) };
    let mut lengths: Vec<usize> = (0..rows).map(length).collect();
    if pick(27, 3) == 0 {
        // As many as a step needs to go over tiles.
        lengths = lengths.repeat(MANY_TOKENS.div_ceil(lengths.iter().sum()));
    }
    let spans =
        if pick(2, 2) == 0 { Spans::right_padded(&lengths, width) } else { Spans::left_padded(&lengths, width) };
    let rate = |counter: u64| [0.0, 0.1, 0.5, stream.uniform_at(counter + 10) as f32 * 0.6][pick(counter, 4)];
    let (heads, head_width) = match (1 + pick(3, 5), 1 + pick(4, [16, 80][pick(24, 2)])) {
        // Over two features a LayerNorm is a sign function: what gradient it leaves behind it is rounding.
        (heads, head_width) if heads * head_width == 2 => (3, head_width),
        shape => shape,
    };
    Case {
        heads,
        head_width,
        inner: 1 + pick(5, [40, 300][pick(25, 2)]),
        activation: [Activation::Gelu, Activation::GeluNew, Activation::Relu, Activation::Tanh][pick(6, 4)],
        rates: DropoutRates { hidden: rate(7), attention: rate(8), classifier: 0.0 },
        epsilon: [1e-5, 1e-12][pick(26, 2)],
        ..Case::new(seed + 1000, spans.unwrap())
    }
}

#[test]
fn random_shapes_agree() {
    for seed in seeds() {
        let case = case(seed);
        let stream = Stream::new(seed, "frozen");
        let frozen: Vec<usize> = match stream.below_at(0, 2) {
            0 => Vec::new(),
            _ => (0..12).filter(|index| stream.below_at(1 + index, 4) == 0).map(|index| index as usize).collect(),
        };
        if let Err(what) = case.compare(&frozen, stream.below_at(20, 3) > 0) {
            // The slope of ReLU jumps at 0: a value there that rounds to the other side has another gradient.
            let excused = case.activation == Activation::Relu && Reference::new(&case).nearest_to_zero() < 3e-6;
            assert!(excused, "seed {seed}: {what}");
        }
    }
}

/// Fewer and not the narrowest: over a handful of features a LayerNorm has no bounded error in bfloat16. Nor ReLU, whose
/// slope jumps at 0, where bfloat16 rounds many values to the other side.
#[test]
fn random_shapes_agree_in_bf16() {
    let range = seeds();
    for seed in range.start..range.start + (range.end - range.start).div_ceil(4) {
        let case = case(seed);
        if case.width() >= 16 && case.inner >= 16 && case.activation != Activation::Relu {
            Case { precision: Precision::Bf16, ..case }.assert_equal(&[], true);
        }
    }
}

#[test]
fn shapes_of_every_kind_are_among_the_random_ones() {
    let cases: Vec<Case> = (0..CASES).map(case).collect();
    let lengths = |case: &Case| -> Vec<usize> { case.spans.ranges().iter().map(ExactSizeIterator::len).collect() };
    for (kind, found) in [
        ("a width that fills no vector", cases.iter().any(|case| !case.width().is_multiple_of(16))),
        ("a head wider than 64", cases.iter().any(|case| case.head_width > 64)),
        ("a head of one feature", cases.iter().any(|case| case.head_width == 1)),
        ("an odd inner width", cases.iter().any(|case| case.inner % 2 == 1 && case.inner > 100)),
        ("more than 30 rows", cases.iter().any(|case| case.spans.rows() > 30)),
        ("rows of one token", cases.iter().any(|case| lengths(case).iter().all(|length| *length == 1))),
        ("no padding", cases.iter().any(|case| case.spans.is_dense() && case.spans.rows() > 2)),
        ("left padding", cases.iter().any(|case| case.spans.range(0).start > 0)),
        ("more than 128 tokens", cases.iter().any(|case| lengths(case).iter().any(|length| *length > 128))),
        ("a rate of 0.5", cases.iter().any(|case| case.rates.attention == 0.5)),
    ] {
        assert!(found, "{kind}");
    }
}

#[test]
fn a_row_longer_than_512_tokens_agrees() {
    for (activation, precision) in [(Activation::Gelu, Precision::F32), (Activation::GeluNew, Precision::Bf16)] {
        let spans = Spans::right_padded(&[531, 3], 533).unwrap();
        let rates = DropoutRates::uniform(0.1);
        Case { heads: 2, head_width: 17, inner: 39, activation, precision, rates, ..Case::new(50, spans) }
            .assert_equal(&[], true);
    }
}

/// Buffers are reused without being cleared: numbers that an earlier layer left there must not matter.
#[test]
fn what_earlier_layers_left_in_memory_does_not_matter() {
    for seed in (0..CASES).step_by(8) {
        let case = case(seed);
        let before = case.gradients(true, &[], true);
        // A layer of NaN through and through, in buffers of the same sizes.
        let poison = Case { epsilon: f64::NAN, ..case.clone() };
        let poisoned = poison.gradients(true, &[], true);
        assert!(poisoned.0.iter().all(|value| value.is_nan() || *value == 0.0), "{case:?}");
        assert!(case.gradients(true, &[], true) == before, "{case:?}");
    }
}
