//! `data.pairs`: a set of labelled texts as a task of pairs.

use super::{DataSet, LabelledTexts};
use crate::schema::{DataSection, PairRule};
use faculty_core::{Error, LabelSpace, Result, Stream, is_pair, join_pair, normal_form};
use std::collections::HashSet;

/// Fixed for good, as the drawing of a development split is: all runs have the same pairs.
const SEED: u64 = 20_231;

/// The labels of pairs, in the order of their classes.
const LABELS: [&str; 2] = ["different", "same"];

/// The set as pairs of its texts, if that is asked for.
///
/// Half of the pairs are of two texts of one class, half of two classes. No text stands in two pairs, and none of one split says
/// what one of another says, so that whoever gets whichever pairs has texts of its own. Repetitions are left out.
///
/// # Errors
/// Fails if the texts are pairs already, or a split gives none.
pub(super) fn pair_if_asked(mut data: DataSet, section: &DataSection) -> Result<DataSet> {
    let Some(PairRule::SameClass) = section.pairs else { return Ok(data) };
    if data.train.texts.iter().any(|text| is_pair(text)) {
        return Err(Error::input(format!("the texts of `{}` are pairs", data.name))
            .key("data.pairs")
            .help("leave it out"));
    }
    let (stream, classes) = (Stream::new(SEED, "pairs of texts"), data.labels.len());
    let mut seen = HashSet::new();
    // What measures first: a training text that stands there too is the one that goes.
    let mut split = |number: u64, name: &str, texts: LabelledTexts| {
        let pairs = pairs_of(texts, classes, stream.fork(number), &mut seen);
        match pairs.is_empty() {
            true => Err(Error::input(format!("the {name} split of `{}` gives no pairs of both kinds", data.name))
                .key("data.pairs")
                .expected("more texts of at least two classes")),
            false => Ok(pairs),
        }
    };
    let test = split(0, "test", data.test)?;
    let dev = data.dev.map(|dev| split(1, "development", dev)).transpose()?;
    let read = data.train.len();
    let train = split(2, "training", data.train)?;
    data.notes.push(format!(
        "{}: {} of the {read} training texts in {} pairs, half of them of one class, no text in two",
        data.name,
        2 * train.len(),
        train.len()
    ));
    data.name = format!("{} in pairs", data.name);
    data.labels = LabelSpace::new(LABELS)?;
    data.domains.clear();
    (data.train, data.dev, data.test) = (train, dev, test);
    Ok(data)
}

/// Pairs of texts that are not in `seen`, as many of one class as of two; what is used goes into `seen`.
fn pairs_of(texts: LabelledTexts, classes: usize, stream: Stream, seen: &mut HashSet<String>) -> LabelledTexts {
    let mut by_class: Vec<Vec<usize>> = vec![Vec::new(); classes];
    for (row, (text, &label)) in texts.texts.iter().zip(&texts.labels).enumerate() {
        if seen.insert(normal_form(text)) {
            by_class[label].push(row);
        }
    }
    let (mut same, mut rest) = (Vec::new(), Vec::new());
    let mut wanted = 0.0;
    for (class, rows) in by_class.iter_mut().enumerate() {
        stream.fork(class as u64).shuffle(rows);
        // A quarter of the texts as pairs of one class leaves half of them; what a class of odd size lacks, the next one gives.
        wanted += rows.len() as f64 / 4.0;
        let count = (wanted as usize).saturating_sub(same.len()).min(rows.len() / 2);
        same.extend(rows[..2 * count].chunks_exact(2).map(|pair| (pair[0], pair[1])));
        rest.extend_from_slice(&rows[2 * count..]);
    }
    stream.fork(classes as u64).shuffle(&mut rest);
    let mut different = Vec::with_capacity(rest.len() / 2);
    while let Some(first) = rest.pop() {
        // Where one class alone is left, the others have all gone.
        let Some(at) = rest.iter().rposition(|&other| texts.labels[other] != texts.labels[first]) else { continue };
        different.push((first, rest.swap_remove(at)));
    }
    stream.fork(classes as u64 + 1).shuffle(&mut same);
    let pairs = different.iter().zip(&same).flat_map(|(different, same)| [(different, 0), (same, 1)]);
    let mut pairs: Vec<(&(usize, usize), usize)> = pairs.collect();
    stream.fork(classes as u64 + 2).shuffle(&mut pairs);
    let mut out = LabelledTexts::default();
    for ((first, second), label) in pairs {
        out.push(join_pair(&texts.texts[*first], &texts.texts[*second]), label);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::{LabelledTexts, pairs_of};
    use faculty_core::{Stream, split_pair};
    use std::collections::HashSet;

    /// So many texts of each class, which begin with its number.
    fn texts(counts: &[usize]) -> LabelledTexts {
        let mut texts = LabelledTexts::default();
        for (class, &count) in counts.iter().enumerate() {
            (0..count).for_each(|number| texts.push(format!("{class} text {number}"), class));
        }
        texts
    }

    fn class_of(text: &str) -> Option<&str> {
        text.split(' ').next()
    }

    #[test]
    fn pairs_are_balanced_true_and_share_no_text() {
        for counts in [vec![15; 150], vec![120; 10], vec![4, 4], vec![7, 9, 1, 30], vec![500, 3, 3]] {
            let (all, mut seen) = (texts(&counts), HashSet::new());
            let pairs = pairs_of(all.clone(), counts.len(), Stream::new(1, "test"), &mut seen);
            let same = pairs.labels.iter().filter(|label| **label == 1).count();
            assert_eq!(2 * same, pairs.len(), "{counts:?}");
            let mut used = HashSet::new();
            for (pair, label) in pairs.texts.iter().zip(&pairs.labels) {
                let (first, second) = split_pair(pair).unwrap_or_default();
                assert_eq!(usize::from(class_of(first) == class_of(second)), *label, "{pair}");
                assert!(used.insert(first.to_owned()) && used.insert(second.to_owned()), "{pair}");
            }
            assert!(same > 0, "{counts:?}");
            if counts.len() > 9 {
                assert!(used.len() + 4 > all.len(), "hardly a text is left over: {} of {}", used.len(), all.len());
                let again = pairs_of(all, counts.len(), Stream::new(1, "test"), &mut HashSet::new());
                assert_eq!(again, pairs);
            }
        }
    }

    #[test]
    fn what_another_split_has_is_not_used_again() {
        let mut seen = HashSet::new();
        let test = pairs_of(texts(&[4, 4]), 2, Stream::new(1, "test"), &mut seen);
        let train = pairs_of(texts(&[12, 12]), 2, Stream::new(2, "test"), &mut seen);
        let of = |texts: &LabelledTexts| -> HashSet<String> {
            texts
                .texts
                .iter()
                .filter_map(|pair| split_pair(pair))
                .flat_map(|(a, b)| [a.to_owned(), b.to_owned()])
                .collect()
        };
        assert!(of(&test).is_disjoint(&of(&train)) && train.len() == 8);
    }
}
