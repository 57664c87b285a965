//! Which texts are predicted rightly, small enough for a raw line: paired tests over texts need nothing else.

use crate::{Error, Result};
use serde::{Deserialize, Serialize};

/// For every text, whether it is predicted rightly. Written as hexadecimal digits, four texts a digit: 250 bytes for a
/// thousand texts.
///
/// ```
/// use faculty_core::metrics::RightAnswers;
/// let right = RightAnswers::new(vec![true, false, true, true, true]);
/// assert_eq!((right.texts(), right.count()), (5, 4));
/// assert_eq!(right.to_hex(), "b8");
/// assert_eq!(RightAnswers::from_hex(5, "b8")?, right);
/// # Ok::<(), faculty_core::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
pub struct RightAnswers {
    right: Vec<bool>,
}

/// The form in files.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    texts: usize,
    bits: String,
}

impl RightAnswers {
    /// From a flag a text, in text order.
    pub fn new(right: Vec<bool>) -> Self {
        Self { right }
    }

    /// A flag a text.
    pub fn as_slice(&self) -> &[bool] {
        &self.right
    }

    /// Number of texts.
    pub fn texts(&self) -> usize {
        self.right.len()
    }

    /// Number of texts predicted rightly.
    pub fn count(&self) -> usize {
        self.right.iter().filter(|&&right| right).count()
    }

    /// Four texts a digit, the first text in the highest bit; bits after the last text are 0.
    pub fn to_hex(&self) -> String {
        let digit = |texts: &[bool]| {
            let bits: u32 = texts.iter().enumerate().map(|(place, &right)| u32::from(right) << (3 - place)).sum();
            char::from_digit(bits, 16).unwrap_or('0')
        };
        self.right.chunks(4).map(digit).collect()
    }

    /// Reads what [`RightAnswers::to_hex`] wrote.
    ///
    /// # Errors
    /// Fails if there are not as many digits as `texts` take, a character is no digit, or a bit after the last text is
    /// set.
    pub fn from_hex(texts: usize, hex: &str) -> Result<Self> {
        let wrong = |what: String| Error::input(what).key("bits").expected(format!("{} digits", texts.div_ceil(4)));
        // Counted before anything is reserved: the number of texts comes from a file.
        if hex.len() != texts.div_ceil(4) {
            return Err(wrong(format!("{} characters for {texts} texts", hex.len())));
        }
        let mut right = Vec::with_capacity(texts + 3);
        for character in hex.chars() {
            let bits = character.to_digit(16).ok_or_else(|| wrong(format!("{character:?} is no hexadecimal digit")))?;
            right.extend((0..4).map(|place| bits >> (3 - place) & 1 == 1));
        }
        if right.drain(texts..).any(|extra| extra) {
            return Err(wrong("a bit after the last text is set".to_owned()));
        }
        Ok(Self { right })
    }
}

impl From<RightAnswers> for Written {
    fn from(answers: RightAnswers) -> Self {
        Self { texts: answers.texts(), bits: answers.to_hex() }
    }
}

impl TryFrom<Written> for RightAnswers {
    type Error = Error;

    fn try_from(written: Written) -> Result<Self> {
        Self::from_hex(written.texts, &written.bits)
    }
}
