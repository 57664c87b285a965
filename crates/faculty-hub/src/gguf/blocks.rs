//! How values are stored in blocks, and what they are.
//!
//! The formats are those of ggml (`ggml-common.h`, `ggml-quants.c` of llama.cpp); golden values come from its Python package.

use crate::convert;
use half::f16;
use safetensors::Dtype;
use std::fmt;

/// How the values of a tensor are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum GgmlType {
    /// Single precision.
    F32,
    /// Half precision.
    F16,
    /// Brain floats.
    Bf16,
    /// 32 values: a scale and four bits each, d (q - 8).
    Q4_0,
    /// 32 values: a scale, an offset and four bits each, d q + m.
    Q4_1,
    /// 32 values: a scale and eight bits each, d q.
    Q8_0,
    /// 256 values: eight scales and offsets of six bits each, themselves scaled, and four bits a value.
    Q4K,
    /// 256 values: sixteen scales of eight bits, themselves scaled, and six bits a value.
    Q6K,
}

impl GgmlType {
    /// Every type that can be read, with its number and name in GGUF.
    pub const ALL: [(Self, u32, &str); 8] = [
        (Self::F32, 0, "F32"),
        (Self::F16, 1, "F16"),
        (Self::Q4_0, 2, "Q4_0"),
        (Self::Q4_1, 3, "Q4_1"),
        (Self::Q8_0, 8, "Q8_0"),
        (Self::Q4K, 12, "Q4_K"),
        (Self::Q6K, 14, "Q6_K"),
        (Self::Bf16, 30, "BF16"),
    ];

    pub(super) fn of_number(number: u32) -> Option<Self> {
        Self::ALL.iter().find(|(_, known, _)| *known == number).map(|(kind, ..)| *kind)
    }

    /// The name of a type that cannot be read, as GGUF has it.
    pub(super) fn foreign_name(number: u32) -> &'static str {
        match number {
            6 => "Q5_0",
            7 => "Q5_1",
            9 => "Q8_1",
            10 => "Q2_K",
            11 => "Q3_K",
            13 => "Q5_K",
            15 => "Q8_K",
            16..=23 | 29 => "an IQ quantisation",
            24..=28 => "integers or doubles",
            34 | 35 => "a ternary quantisation",
            39 => "MXFP4",
            _ => "an unknown type",
        }
    }

    /// Values in a block.
    pub const fn block_values(self) -> usize {
        match self {
            Self::F32 | Self::F16 | Self::Bf16 => 1,
            Self::Q4_0 | Self::Q4_1 | Self::Q8_0 => 32,
            Self::Q4K | Self::Q6K => 256,
        }
    }

    /// Bytes of a block.
    pub const fn block_bytes(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F16 | Self::Bf16 => 2,
            Self::Q4_0 => 18,
            Self::Q4_1 => 20,
            Self::Q8_0 => 34,
            Self::Q4K => 144,
            Self::Q6K => 210,
        }
    }

    /// Appends the values of whole blocks to `out`; bytes that make no whole block are left out.
    pub fn dequantise(self, bytes: &[u8], out: &mut Vec<f32>) {
        match self {
            Self::F32 => convert::append(Dtype::F32, bytes, out),
            Self::F16 => convert::append(Dtype::F16, bytes, out),
            Self::Bf16 => convert::append(Dtype::BF16, bytes, out),
            Self::Q4_0 => bytes.as_chunks().0.iter().for_each(|block| q4_0(block, out)),
            Self::Q4_1 => bytes.as_chunks().0.iter().for_each(|block| q4_1(block, out)),
            Self::Q8_0 => bytes.as_chunks().0.iter().for_each(|block| q8_0(block, out)),
            Self::Q4K => bytes.as_chunks().0.iter().for_each(|block| q4_k(block, out)),
            Self::Q6K => bytes.as_chunks().0.iter().for_each(|block| q6_k(block, out)),
        }
    }
}

impl fmt::Display for GgmlType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Self::ALL.iter().find(|(kind, ..)| kind == self).map_or("?", |(.., name)| name))
    }
}

fn half(low: u8, high: u8) -> f32 {
    f16::from_le_bytes([low, high]).to_f32()
}

fn q4_0(block: &[u8; 18], out: &mut Vec<f32>) {
    let [low, high, quants @ ..] = block;
    let scale = half(*low, *high);
    let value = |quant: u8| scale * (i32::from(quant) - 8) as f32;
    out.extend(quants.iter().map(|pair| value(pair & 15)));
    out.extend(quants.iter().map(|pair| value(pair >> 4)));
}

fn q4_1(block: &[u8; 20], out: &mut Vec<f32>) {
    let [low, high, least_low, least_high, quants @ ..] = block;
    let (scale, least) = (half(*low, *high), half(*least_low, *least_high));
    let value = |quant: u8| scale * f32::from(quant) + least;
    out.extend(quants.iter().map(|pair| value(pair & 15)));
    out.extend(quants.iter().map(|pair| value(pair >> 4)));
}

fn q8_0(block: &[u8; 34], out: &mut Vec<f32>) {
    let [low, high, quants @ ..] = block;
    let scale = half(*low, *high);
    out.extend(quants.iter().map(|&quant| scale * f32::from(quant.cast_signed())));
}

fn q4_k(block: &[u8; 144], out: &mut Vec<f32>) {
    let [low, high, least_low, least_high, rest @ ..] = block;
    let (scale, least) = (half(*low, *high), half(*least_low, *least_high));
    let (packed, quants) = rest.split_at(12);
    // Eight scales and offsets of six bits: four in the low bits of the first bytes, the other four spread over all.
    let six_bits = |group: usize| match group {
        0..4 => (packed[group] & 63, packed[group + 4] & 63),
        _ => (
            (packed[group + 4] & 15) | ((packed[group - 4] >> 6) << 4),
            (packed[group + 4] >> 4) | ((packed[group] >> 6) << 4),
        ),
    };
    for (pair, quants) in quants.chunks_exact(32).enumerate() {
        for (group, shift) in [(2 * pair, 0), (2 * pair + 1, 4)] {
            let (own, offset) = six_bits(group);
            let (own, offset) = (scale * f32::from(own), least * f32::from(offset));
            out.extend(quants.iter().map(|quant| own * f32::from((quant >> shift) & 15) - offset));
        }
    }
}

fn q6_k(block: &[u8; 210], out: &mut Vec<f32>) {
    let (low, rest) = block.split_at(128);
    let (high, rest) = rest.split_at(64);
    let (scales, scale) = rest.split_at(16);
    let scale = half(scale[0], scale[1]);
    for part in 0..2 {
        let (low, high, scales) = (&low[64 * part..][..64], &high[32 * part..][..32], &scales[8 * part..][..8]);
        for quarter in 0..4 {
            for at in 0..32 {
                let four = (low[32 * (quarter % 2) + at] >> (4 * (quarter / 2))) & 15;
                let two = (high[at] >> (2 * quarter)) & 3;
                let quant = i32::from(four | (two << 4)) - 32;
                let own = f32::from(scales[2 * quarter + at / 16].cast_signed());
                out.push(scale * own * quant as f32);
            }
        }
    }
}
