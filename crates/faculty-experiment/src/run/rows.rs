//! Some rows of what is kept for all transfer texts: borrowed where all are meant, so that the usual case copies nothing.

use faculty_model::Tokens;
use faculty_teacher::TeacherOutputs;
use std::borrow::Cow;

/// The tokens of the given rows; `None` = all.
pub(super) fn tokens<'a>(all: &'a Tokens, rows: Option<&[usize]>) -> Cow<'a, Tokens> {
    rows.map_or(Cow::Borrowed(all), |rows| Cow::Owned(all.select(rows)))
}

/// Every teacher's outputs for the given rows; `None` = all.
pub(super) fn outputs<'a>(all: &'a [TeacherOutputs], rows: Option<&[usize]>) -> Cow<'a, [TeacherOutputs]> {
    rows.map_or(Cow::Borrowed(all), |rows| Cow::Owned(all.iter().map(|outputs| outputs.select(rows)).collect()))
}

/// The labels of the given rows; `None` = all.
pub(super) fn labels<'a>(all: &'a [usize], rows: Option<&[usize]>) -> Cow<'a, [usize]> {
    rows.map_or(Cow::Borrowed(all), |rows| Cow::Owned(rows.iter().map(|&row| all[row]).collect()))
}

/// What there is of every text, for the given rows; `None` = all.
pub(super) fn picked<'a, T: Clone>(all: &'a [T], rows: Option<&[usize]>) -> Cow<'a, [T]> {
    rows.map_or(Cow::Borrowed(all), |rows| Cow::Owned(rows.iter().map(|&row| all[row].clone()).collect()))
}

/// The vectors, each of so many numbers, of the given rows; `None` = all.
pub(super) fn vectors<'a>(all: &'a [f32], width: usize, rows: Option<&[usize]>) -> Cow<'a, [f32]> {
    let vector = |row: &usize| &all[row * width..(row + 1) * width];
    rows.map_or(Cow::Borrowed(all), |rows| Cow::Owned(rows.iter().flat_map(vector).copied().collect()))
}
