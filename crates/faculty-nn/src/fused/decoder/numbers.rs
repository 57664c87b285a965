//! How a strip of weights lies in memory: as narrow as it can be without a number changing.
//!
//! Writing one token reads every weight once, so that bytes are what it costs. Weights of quantised files are few numbers a
//! block of 32 (`base + step x code`), and weights of most other files were rounded to bfloat16 before they became f32. Both
//! are found again from the numbers alone, and kept if they give the same numbers bit for bit; else a strip stays f32.

use super::super::memory::Buffer;
use super::super::simd::multiversion;
use super::strip::STRIP;
use crate::Precision;

/// Numbers along the depth that have a base and a step in common.
const BLOCK: usize = 32;
/// Numbers along the depth that are widened at once: 16 kB of f32, which stay in the first-level cache.
pub(super) const SLAB: usize = 64;

/// Room for a slab in f32.
#[repr(C, align(64))]
pub(super) struct Slab([f32; SLAB * STRIP]);

impl Slab {
    pub(super) const fn new() -> Self {
        Self([0.0; SLAB * STRIP])
    }
}

/// A row of a strip, or two of four bits each (the second in the upper halves).
#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Codes([u8; STRIP]);

/// The numbers of a block: `base + step * code`, column by column.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Scale {
    base: [f32; STRIP],
    step: [f32; STRIP],
}

/// A strip of weights, `[depth, 64]`.
pub(super) struct Numbers {
    depth: usize,
    form: Form,
}

enum Form {
    /// f32.
    Full(Buffer),
    /// bfloat16: the upper halves of f32.
    Half(Vec<[u16; STRIP]>),
    /// Blocks of codes of eight bits.
    Bytes(Vec<Codes>, Vec<Scale>),
    /// Blocks of codes of four bits.
    Nibbles(Vec<Codes>, Vec<Scale>),
}

impl Numbers {
    /// The strip `values`, `[depth, 64]`. Under [`Precision::Bf16`] what would be f32 is rounded.
    pub(super) fn new(values: Buffer, precision: Precision) -> Self {
        let depth = values.len() / STRIP;
        let form = match coded(&values) {
            Some(form) => form,
            None if precision == Precision::Bf16 || is_half(&values) => Form::Half(halves(&values)),
            None => Form::Full(values),
        };
        Self { depth, form }
    }

    pub(super) fn depth(&self) -> usize {
        self.depth
    }

    /// Bytes that a product reads.
    pub(super) fn bytes(&self) -> usize {
        match &self.form {
            Form::Full(values) => size_of_val(&values[..]),
            Form::Half(values) => size_of_val(&values[..]),
            Form::Bytes(codes, scales) | Form::Nibbles(codes, scales) => {
                size_of_val(&codes[..]) + size_of_val(&scales[..])
            }
        }
    }

    /// Numbers `first..first + 64` (or what there is) of the depth as f32, `[numbers, 64]`; `first` is a multiple of 64.
    pub(super) fn slab<'a>(&'a self, first: usize, room: &'a mut Slab) -> &'a [f32] {
        let rows = first..self.depth.min(first + SLAB);
        let out = &mut room.0[..rows.len() * STRIP];
        match &self.form {
            Form::Full(values) => return &values[rows.start * STRIP..rows.end * STRIP],
            Form::Half(values) => widen_halves(&values[rows], out),
            Form::Bytes(codes, scales) => widen_bytes(&codes[rows], &scales[first / BLOCK..], out),
            Form::Nibbles(codes, scales) => {
                widen_nibbles(&codes[rows.start / 2..rows.end.div_ceil(2)], &scales[first / BLOCK..], out);
            }
        }
        out
    }
}

/// The numbers as codes, if they are such.
fn coded(values: &[f32]) -> Option<Form> {
    let depth = values.len() / STRIP;
    let mut codes = vec![Codes([0; STRIP]); depth];
    let mut scales = Vec::with_capacity(depth.div_ceil(BLOCK));
    let mut bits = 4;
    for (values, codes) in values.chunks(BLOCK * STRIP).zip(codes.chunks_mut(BLOCK)) {
        let mut scale = Scale { base: [0.0; STRIP], step: [0.0; STRIP] };
        bits = bits.max(find_codes(values, &mut scale, codes)?);
        scales.push(scale);
    }
    if bits > 4 {
        return Some(Form::Bytes(codes, scales));
    }
    let pairs = codes.chunks(2).map(|pair| {
        let upper = pair.get(1).map_or([0; STRIP], |codes| codes.0);
        Codes(std::array::from_fn(|column| pair[0].0[column] | upper[column] << 4))
    });
    Some(Form::Nibbles(pairs.collect(), scales))
}

/// The ways in which files quantise a block: what base and step follow from its numbers, and the largest code.
#[derive(Clone, Copy)]
enum Guess {
    /// 15 steps from the smallest number to the largest (Q4_1); steps have 11 bits, being half-precision numbers.
    Range,
    /// Eight steps from the number of largest magnitude to 0, and seven beyond (Q4_0).
    Sign,
    /// 127 steps to the number of largest magnitude (Q8_0).
    Magnitude,
}

multiversion! {
    /// Codes and scale of a block of up to 32 rows of 64 numbers, and how many bits the codes need; none if there are none
    /// that give the same numbers.
    fn find_codes(values: &[f32], scale: &mut Scale, codes: &mut [Codes]) -> Option<u32> {
        let rows = values.as_chunks::<STRIP>().0;
        let (mut low, mut high) = ([f32::INFINITY; STRIP], [f32::NEG_INFINITY; STRIP]);
        for row in rows {
            for ((low, high), value) in low.iter_mut().zip(&mut high).zip(row) {
                *low = low.min(*value);
                *high = high.max(*value);
            }
        }
        let mut found = [0_u32; STRIP];
        for guess in [Guess::Range, Guess::Sign, Guess::Magnitude] {
            let (mut base, mut step, mut inverse) = ([0.0; STRIP], [0.0; STRIP], [0.0; STRIP]);
            for column in 0..STRIP {
                let (low, high) = (low[column], high[column]);
                let extreme = if high > -low { high } else { low };
                (base[column], step[column]) = match guess {
                    Guess::Range => {
                        let bits = ((high - low) / 15.0).to_bits();
                        (low, f32::from_bits(bits.wrapping_add(0x1000) & !0x1fff))
                    }
                    Guess::Sign => (extreme, extreme / -8.0),
                    Guess::Magnitude => (extreme.abs() / 127.0 * -128.0, extreme.abs() / 127.0),
                };
                inverse[column] = if step[column] == 0.0 { 0.0 } else { 1.0 / step[column] };
            }
            let (most, bits) = match guess {
                Guess::Range | Guess::Sign => (15.0_f32, 4),
                Guess::Magnitude => (255.0, 8),
            };
            let mut wrong = [0_u32; STRIP];
            for row in rows {
                for column in 0..STRIP {
                    let code = ((row[column] - base[column]) * inverse[column]).round_ties_even().clamp(0.0, most);
                    let same = code.mul_add(step[column], base[column]) == row[column];
                    wrong[column] |= u32::from(!same);
                }
            }
            let mut taken = [false; STRIP];
            for column in 0..STRIP {
                taken[column] = wrong[column] == 0 && found[column] == 0;
                if taken[column] {
                    found[column] = bits;
                    scale.base[column] = base[column];
                    scale.step[column] = step[column];
                }
            }
            for (row, codes) in rows.iter().zip(codes.iter_mut()) {
                for column in 0..STRIP {
                    let code = ((row[column] - base[column]) * inverse[column]).round_ties_even().clamp(0.0, most);
                    if taken[column] {
                        codes.0[column] = code as u8;
                    }
                }
            }
        }
        let (mut least, mut most) = (u32::MAX, 0);
        for bits in found {
            least = least.min(bits);
            most = most.max(bits);
        }
        (least > 0).then_some(most)
    }

    fn is_half(values: &[f32]) -> bool {
        let mut rest = 0;
        for value in values {
            rest |= value.to_bits() & 0xffff;
        }
        rest == 0
    }

    fn widen_halves(values: &[[u16; STRIP]], out: &mut [f32]) {
        for (values, out) in values.iter().zip(out.as_chunks_mut::<STRIP>().0) {
            for (value, out) in values.iter().zip(out) {
                *out = f32::from_bits(u32::from(*value) << 16);
            }
        }
    }

    fn widen_bytes(codes: &[Codes], scales: &[Scale], out: &mut [f32]) {
        let blocks = codes.chunks(BLOCK).zip(out.chunks_mut(BLOCK * STRIP));
        for ((codes, out), scale) in blocks.zip(scales) {
            for (codes, out) in codes.iter().zip(out.as_chunks_mut::<STRIP>().0) {
                widen_row(codes, scale, |code| code, out);
            }
        }
    }

    fn widen_nibbles(codes: &[Codes], scales: &[Scale], out: &mut [f32]) {
        let blocks = codes.chunks(BLOCK / 2).zip(out.chunks_mut(BLOCK * STRIP));
        for ((codes, out), scale) in blocks.zip(scales) {
            let (pairs, odd) = out.as_chunks_mut::<STRIP>().0.as_chunks_mut::<2>();
            for (codes, [first, second]) in codes.iter().zip(pairs) {
                widen_row(codes, scale, |code| code & 15, first);
                widen_row(codes, scale, |code| code >> 4, second);
            }
            // An odd depth has no second row at its end.
            if let (Some(codes), [only]) = (codes.last(), odd) {
                widen_row(codes, scale, |code| code & 15, only);
            }
        }
    }
}

/// The numbers of a row. Its length is known, without which the compiler takes one number at a time.
#[inline(always)]
fn widen_row(codes: &Codes, scale: &Scale, code: impl Fn(u8) -> u8, out: &mut [f32; STRIP]) {
    for (column, out) in out.iter_mut().enumerate() {
        *out = f32::from(code(codes.0[column])).mul_add(scale.step[column], scale.base[column]);
    }
}

/// Rounded to the nearest bfloat16, ties to even; NaN stays NaN.
fn halves(values: &[f32]) -> Vec<[u16; STRIP]> {
    let round = |value: f32| {
        let bits = value.to_bits();
        let rounded = bits.wrapping_add(0x7fff + ((bits >> 16) & 1));
        (if value.is_nan() { 0x7fc0 } else { rounded >> 16 }) as u16
    };
    values.as_chunks::<STRIP>().0.iter().map(|row| row.map(round)).collect()
}
