//! Noise rows for the transfer set: near-duplicates, texts of another set, empty texts.

use crate::schema::NoiseSection;
use faculty_core::{Error, Result, Stream, join_pair, normal_form, split_pair};
use std::collections::HashSet;

/// Rows without a label, behind those of the transfer set.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NoiseRows {
    /// Near-duplicates, then other texts, then empty ones.
    pub texts: Vec<String>,
    /// Transfer texts with one word dropped or two neighbours swapped.
    pub near_duplicates: usize,
    /// Texts of another data set.
    pub other: usize,
    /// Empty texts.
    pub empty: usize,
}

impl NoiseRows {
    /// Number of rows.
    pub fn len(&self) -> usize {
        self.texts.len()
    }

    /// True if there is none.
    pub fn is_empty(&self) -> bool {
        self.texts.is_empty()
    }

    /// The kinds in words, for notes; empty without rows.
    pub fn describe(&self) -> String {
        [
            (self.near_duplicates, "near-duplicates"),
            (self.other, "texts of another data set"),
            (self.empty, "empty texts"),
        ]
        .iter()
        .filter(|(rows, _)| *rows > 0)
        .map(|(rows, what)| format!("{rows} {what}"))
        .collect::<Vec<_>>()
        .join(", ")
    }
}

/// Draws the rows that `section` asks for. What is in `seen` (normal forms of all other parts) is not drawn, and what is
/// drawn is added to it; empty texts are exempt.
///
/// # Errors
/// Fails if the transfer texts or the other set do not give so many rows.
pub(super) fn draw(
    section: &NoiseSection,
    transfer: &[String],
    other_texts: &[String],
    seen: &mut HashSet<String>,
) -> Result<NoiseRows> {
    let stream = Stream::new(section.seed, "transfer noise");
    let count = |share: f64| (share * transfer.len() as f64).round() as usize;
    let mut texts = near_duplicates(count(section.near_duplicates), transfer, stream.fork(0), seen)?;
    let near = texts.len();
    let wanted = count(section.other.as_ref().map_or(0.0, |other| other.share));
    let order = stream.fork(1).permutation(other_texts.len());
    let chosen = order.into_iter().map(|row| &other_texts[row]).filter(|text| seen.insert(normal_form(text)));
    texts.extend(chosen.take(wanted).cloned());
    let other = texts.len() - near;
    if other < wanted {
        return Err(Error::input(format!("the other set gives {other} new texts"))
            .key("data.noise.other.share")
            .expected(format!("{wanted}: choose a smaller share, or a larger set")));
    }
    let empty = count(section.empty);
    texts.extend(std::iter::repeat_n(String::new(), empty));
    Ok(NoiseRows { texts, near_duplicates: near, other, empty })
}

fn near_duplicates(
    wanted: usize,
    transfer: &[String],
    stream: Stream,
    seen: &mut HashSet<String>,
) -> Result<Vec<String>> {
    let mut made = Vec::with_capacity(wanted);
    // Round by round over all texts in another order, until there are enough or a whole round gives nothing new.
    for round in 0_u64.. {
        let before = made.len();
        for row in stream.fork(2 * round).permutation(transfer.len()) {
            if made.len() == wanted {
                return Ok(made);
            }
            if let Some(text) = edited(&transfer[row], stream.fork(2 * round + 1).fork(row as u64))
                && seen.insert(normal_form(&text))
            {
                made.push(text);
            }
        }
        if made.len() == before {
            break;
        }
    }
    if made.len() == wanted {
        return Ok(made);
    }
    Err(Error::input(format!("the transfer texts give {} new near-duplicates", made.len()))
        .key("data.noise.near_duplicates")
        .expected(format!("{wanted}: choose a smaller share")))
}

/// The text with one word dropped, or with two neighbouring words swapped; `None` for a text of one word. Of a pair one of the two
/// texts is edited.
fn edited(text: &str, stream: Stream) -> Option<String> {
    let Some((first, second)) = split_pair(text) else { return edited_alone(text, stream) };
    let of_first = || Some(join_pair(&edited_alone(first, stream.fork(0))?, second));
    let of_second = || Some(join_pair(first, &edited_alone(second, stream.fork(1))?));
    match stream.u64_at(0) & 1 == 0 {
        true => of_first().or_else(of_second),
        false => of_second().or_else(of_first),
    }
}

fn edited_alone(text: &str, stream: Stream) -> Option<String> {
    let mut words: Vec<&str> = text.split_whitespace().collect();
    if words.len() < 2 {
        return None;
    }
    if stream.u64_at(0) & 1 == 0 {
        words.remove(stream.below_at(1, words.len() as u64) as usize);
    } else {
        let first = stream.below_at(1, words.len() as u64 - 1) as usize;
        words.swap(first, first + 1);
    }
    Some(words.join(" "))
}
