//! Little-endian floats of any width to f32, independent of the machine's byte order and of alignment.

use half::{bf16, f16};
use safetensors::Dtype;

/// Bytes of one element of a float type Faculty reads, or `None` for every other type.
pub(crate) fn float_width(dtype: Dtype) -> Option<usize> {
    match dtype {
        Dtype::F16 | Dtype::BF16 => Some(2),
        Dtype::F32 => Some(4),
        Dtype::F64 => Some(8),
        _ => None,
    }
}

/// Appends the values in `bytes` to `out`. Bytes that do not make a whole element, and types without
/// [`float_width`], are left out.
pub(crate) fn append(dtype: Dtype, bytes: &[u8], out: &mut Vec<f32>) {
    match dtype {
        Dtype::F32 => out.extend(bytes.as_chunks().0.iter().map(|b| f32::from_le_bytes(*b))),
        Dtype::F16 => out.extend(bytes.as_chunks().0.iter().map(|b| f16::from_le_bytes(*b).to_f32())),
        Dtype::BF16 => out.extend(bytes.as_chunks().0.iter().map(|b| bf16::from_le_bytes(*b).to_f32())),
        Dtype::F64 => out.extend(bytes.as_chunks().0.iter().map(|b| f64::from_le_bytes(*b) as f32)),
        _ => {}
    }
}

/// The position of the first value that is NaN or infinite.
pub(crate) fn first_not_finite(values: &[f32]) -> Option<usize> {
    // Without early exit and on integers, so that the usual case (all finite) is vectorised.
    let largest = values.iter().fold(0u32, |largest, value| largest.max(value.to_bits() & 0x7fff_ffff));
    if largest < f32::INFINITY.to_bits() { None } else { values.iter().position(|value| !value.is_finite()) }
}

/// The coordinates of flat position `flat` in a row-major tensor of `shape`.
pub(crate) fn coordinates(flat: usize, shape: &[usize]) -> Vec<usize> {
    let mut rest = flat;
    let mut coordinates: Vec<usize> = shape
        .iter()
        .rev()
        .map(|&length| {
            let length = length.max(1);
            let coordinate = rest % length;
            rest /= length;
            coordinate
        })
        .collect();
    coordinates.reverse();
    coordinates
}
