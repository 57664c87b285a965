//! What is wrong with a tensor, in the same words for every weight format.

use crate::convert;
use faculty_core::{Error, Result, nearest};
use std::path::Path;

/// There is no tensor `name` among `names`.
pub(crate) fn missing<'a>(origin: &Path, name: &str, names: impl IntoIterator<Item = &'a str>) -> Error {
    let error = Error::input("the tensor is missing").file(origin).key(name);
    match nearest(name, names) {
        Some(near) => error.help(format!("the nearest name is `{near}`")),
        None => error,
    }
}

/// Checks that values are finite from position `from` on; `values` are the first ones of a row-major tensor of `shape`.
///
/// # Errors
/// Fails with the coordinates of the first value that is NaN or infinite.
pub(crate) fn check_finite(values: &[f32], from: usize, shape: &[usize], path: &Path, name: &str) -> Result<()> {
    let Some(position) = values.get(from..).and_then(convert::first_not_finite) else { return Ok(()) };
    let flat = from + position;
    let value = values.get(flat).copied().unwrap_or(f32::NAN);
    Err(Error::input(format!("holds {value} at {:?}", convert::coordinates(flat, shape)))
        .file(path)
        .key(name)
        .expected("finite weights")
        .help("the file is damaged (download it again), or the training of the model diverged"))
}
