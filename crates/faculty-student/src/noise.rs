//! Noise on what the student reads, while its targets are those of the clean text.

use faculty_core::{Error, Result, Stream};
use faculty_model::Tokens;
use faculty_text::{SpecialIds, TokenRow};
use serde::{Deserialize, Serialize};

/// Role-wise augmentation: the teachers see the text, the student sees it with tokens left out or masked, and learns the
/// answer to the clean one.
///
/// Source of the idea: Fu et al., "Role-Wise Data Augmentation for Knowledge Distillation", arXiv 2004.08861; without its
/// search for policies, and with token noise in place of image operations. Sensible rates are 0.1 to 0.3; 0 is off.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StudentNoise {
    /// The share of tokens that are left out.
    pub drop: f64,
    /// The share of tokens that become the mask token.
    pub mask: f64,
}

impl StudentNoise {
    /// # Errors
    /// Fails if a rate makes no sense; the error names the key.
    pub fn check(&self) -> Result<()> {
        for (key, rate) in [("drop", self.drop), ("mask", self.mask)] {
            if !(0.0..1.0).contains(&rate) {
                return Err(Error::input(format!("is {rate}")).key(format!("student_noise.{key}")).expected("0 to 1"));
            }
        }
        let both = self.drop + self.mask;
        if both >= 1.0 {
            return Err(Error::input(format!("drop and mask are {both} of the tokens"))
                .key("student_noise")
                .expected("less than 1, so that something is left of a text"));
        }
        Ok(())
    }

    /// True if it changes nothing.
    pub fn is_off(&self) -> bool {
        self.drop == 0.0 && self.mask == 0.0
    }
}

/// [`StudentNoise`] for one tokenizer.
#[derive(Debug, Clone)]
pub(crate) struct Noise {
    rates: StudentNoise,
    /// Ids that are never changed, ascending.
    special: Vec<u32>,
    mask: u32,
    stream: Stream,
}

impl Noise {
    /// # Errors
    /// Fails if a rate makes no sense, or tokens are to be masked and there is no mask token.
    pub(crate) fn new(rates: StudentNoise, ids: &SpecialIds, stream: Stream) -> Result<Self> {
        rates.check()?;
        let mask = match (ids.mask, rates.mask > 0.0) {
            (None, true) => {
                return Err(Error::input("the student's tokenizer has no mask token")
                    .key("student_noise.mask")
                    .help("use student_noise.drop"));
            }
            (mask, _) => mask.unwrap_or(ids.pad),
        };
        let mut special = ids.all.clone();
        special.extend([ids.unk, ids.cls, ids.sep, ids.mask].into_iter().flatten());
        special.push(ids.pad);
        special.sort_unstable();
        special.dedup();
        Ok(Self { rates, special, mask, stream })
    }

    /// The given texts as the student reads them in step `step`; `tokens` stay as they are.
    pub(crate) fn batch(&self, tokens: &Tokens, rows: &[usize], step: usize) -> Tokens {
        let stream = self.stream.fork(step as u64);
        let noisy = |&row: &usize| self.row(&tokens.rows[row], stream.fork(row as u64));
        Tokens {
            rows: rows.iter().map(noisy).collect(),
            identities: tokens.identities_of(rows),
            truncated: tokens.truncated,
            pad_id: tokens.pad_id,
        }
    }

    /// A text with noise. Special tokens stay, and of the others at least one.
    fn row(&self, row: &TokenRow, stream: Stream) -> TokenRow {
        let is_special = |id: &u32| self.special.binary_search(id).is_ok();
        let draw = |position: usize| stream.uniform_at(position as u64);
        // What is left out last: the token with the largest draw.
        let texts = row.ids.iter().enumerate().filter(|(_, id)| !is_special(id));
        let kept = texts.map(|(position, _)| position).max_by(|&a, &b| draw(a).total_cmp(&draw(b)));
        let mut noisy = TokenRow::default();
        for (position, (&id, &type_id)) in row.ids.iter().zip(&row.type_ids).enumerate() {
            if row.second == Some(position) {
                noisy.second = Some(noisy.ids.len());
            }
            let draw = draw(position);
            let id = if is_special(&id) || draw >= self.rates.drop + self.rates.mask {
                id
            } else if draw >= self.rates.drop {
                self.mask
            } else if kept == Some(position) {
                id
            } else {
                continue;
            };
            noisy.ids.push(id);
            noisy.type_ids.push(type_id);
        }
        // A second text without a token begins behind all others.
        noisy.second = noisy.second.or(row.second.map(|_| noisy.ids.len()));
        noisy
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const SPECIAL: [u32; 5] = [0, 1, 2, 3, 4];

    fn ids(mask: Option<u32>) -> SpecialIds {
        SpecialIds { pad: 0, unk: Some(1), cls: Some(2), sep: Some(3), mask, all: SPECIAL.to_vec() }
    }

    fn noise(drop: f64, mask: f64) -> Noise {
        Noise::new(StudentNoise { drop, mask }, &ids(Some(4)), Stream::new(1, "noise")).unwrap()
    }

    /// `[CLS] text [SEP]`, with an unknown word in the middle.
    fn tokens(texts: usize, words: u32) -> Tokens {
        let row = |text: u32| {
            let mut ids = vec![2];
            ids.extend((0..words).map(|word| if word == words / 2 { 1 } else { 5 + (text + word) % 90 }));
            ids.push(3);
            TokenRow::of_ids(ids)
        };
        Tokens { rows: (0..texts as u32).map(row).collect(), identities: vec![7; texts], truncated: 0, pad_id: 0 }
    }

    fn count(rows: &[TokenRow], wanted: impl Fn(u32) -> bool) -> usize {
        rows.iter().flat_map(|row| &row.ids).filter(|id| wanted(**id)).count()
    }

    #[test]
    fn rates_are_met_and_special_tokens_are_never_touched() {
        let clean = tokens(200, 41);
        let all: Vec<usize> = (0..200).collect();
        let noisy = noise(0.2, 0.1).batch(&clean, &all, 3);
        let text = |id: u32| id > 4;
        let share = |rows: &[TokenRow], wanted: &dyn Fn(u32) -> bool| count(rows, wanted) as f64 / (200.0 * 40.0);
        assert!((share(&noisy.rows, &text) - 0.7).abs() < 0.02);
        assert!((share(&noisy.rows, &|id| id == 4) - 0.1).abs() < 0.01);
        for row in &noisy.rows {
            assert_eq!((row.ids.first(), row.ids.last()), (Some(&2), Some(&3)));
            assert_eq!(row.ids.iter().filter(|id| **id == 1).count(), 1, "the unknown word");
            assert_eq!(row.ids.len(), row.type_ids.len());
        }
        assert_eq!(count(&clean.rows, text), 200 * 40, "the tokens themselves stay");
    }

    #[test]
    fn both_texts_of_a_pair_get_noise_and_stay_apart() {
        // [CLS] 10 to 19 [SEP] 30 to 39 [SEP]
        let ids: Vec<u32> = [2].into_iter().chain(10..20).chain([3]).chain(30..40).chain([3]).collect();
        let type_ids = ids.iter().enumerate().map(|(at, _)| u32::from(at > 11)).collect();
        let pair = TokenRow { ids, type_ids, second: Some(12) };
        for number in 0..50 {
            let noisy = noise(0.4, 0.1).row(&pair, Stream::new(number, "row"));
            let second = noisy.second.unwrap();
            assert_eq!(noisy.ids.iter().filter(|id| **id == 3).count(), 2, "both ends stay");
            assert_eq!(noisy.ids[second - 1], 3);
            assert!(
                noisy.ids[..second].iter().all(|id| *id < 20)
                    && noisy.ids[second..].iter().all(|id| *id >= 30 || *id < 5)
            );
            assert!(noisy.type_ids.iter().enumerate().all(|(at, segment)| (*segment == 1) == (at >= second)));
        }
    }

    #[test]
    fn a_step_repeats_itself_and_another_step_is_another_draw() {
        let (noise, clean) = (noise(0.3, 0.2), tokens(9, 20));
        assert_eq!(noise.batch(&clean, &[4, 2], 5).rows, noise.batch(&clean, &[4, 2], 5).rows);
        assert_eq!(noise.batch(&clean, &[2], 5).rows[0], noise.batch(&clean, &[4, 2], 5).rows[1], "whatever the batch");
        assert_ne!(noise.batch(&clean, &[2], 5).rows, noise.batch(&clean, &[2], 6).rows);
    }

    #[test]
    fn no_rate_changes_nothing_and_a_high_one_leaves_a_token() {
        let clean = tokens(50, 3);
        let all: Vec<usize> = (0..50).collect();
        assert_eq!(noise(0.0, 0.0).batch(&clean, &all, 1).rows, clean.rows);
        let noisy = noise(0.99, 0.0).batch(&clean, &all, 1);
        assert!(noisy.rows.iter().all(|row| row.ids.iter().any(|id| *id > 4)));
        let bare = TokenRow::of_ids(vec![2, 3]);
        assert_eq!(noise(0.9, 0.0).row(&bare, Stream::new(1, "row")), bare);
    }

    #[test]
    fn rates_that_make_no_sense_and_masks_without_a_mask_token_are_refused() {
        for (drop, mask) in [(-0.1, 0.0), (1.0, 0.0), (0.0, f64::NAN), (0.6, 0.5)] {
            assert!(StudentNoise { drop, mask }.check().is_err(), "{drop} {mask}");
        }
        let new = |drop, mask| Noise::new(StudentNoise { drop, mask }, &ids(None), Stream::new(1, "noise"));
        assert!(new(0.0, 0.1).unwrap_err().to_string().contains("no mask token"));
        assert!(new(0.1, 0.0).is_ok());
    }
}
