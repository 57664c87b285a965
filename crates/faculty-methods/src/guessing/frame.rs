//! What does not move in a guess: the special tokens at its ends, and which positions are padding.

use burn::tensor::{Device, Tensor, TensorData};
use faculty_core::{Error, Result};
use faculty_model::Classifier;
use faculty_nn::{EncoderConfig, Spans, TokenInput};

/// The special tokens around every text of a tokenizer.
#[derive(Debug, Clone)]
pub(super) struct Frame {
    /// Before the text, `[CLS]`.
    lead: Vec<u32>,
    /// Behind it, `[SEP]`.
    trail: Vec<u32>,
    /// What stands where a guess is; only its position is read.
    filler: u32,
    pad: u32,
}

impl Frame {
    /// Learns from a text what is put around every text.
    ///
    /// # Errors
    /// Fails if the tokenizer cannot read a letter.
    pub(super) fn of(model: &Classifier, special: &[u32]) -> Result<Self> {
        let added = model.tokenizer.added_tokens();
        let encoded = model.tokenizer.encode(&["a"], added + 1)?;
        let ids = encoded.rows.into_iter().next().map(|row| row.ids).unwrap_or_default();
        let is_special = |id: &&u32| special.binary_search(id).is_ok();
        // The letter itself may be unknown, and then is special, too: the tokens around it are as many as the tokenizer says.
        let lead = ids.iter().take_while(is_special).count().min(added);
        let trail = added - lead;
        match ids.len() == added + 1 {
            true => Ok(Self {
                lead: ids[..lead].to_vec(),
                trail: ids[ids.len() - trail..].to_vec(),
                filler: ids[lead],
                pad: model.tokenizer.pad_id(),
            }),
            false => Err(Error::input("the tokenizer makes no token of the letter `a`")
                .file(model.tokenizer.dir().join("tokenizer.json"))),
        }
    }

    /// Tokens that are put around a text.
    pub(super) fn added(&self) -> usize {
        self.lead.len() + self.trail.len()
    }

    /// The positions of a guess of `length` tokens that are its own.
    pub(super) fn own(&self, length: usize) -> std::ops::Range<usize> {
        self.lead.len()..length.saturating_sub(self.trail.len()).max(self.lead.len())
    }

    /// Guesses of these lengths as a model numbers their positions, `[guesses, width]`.
    ///
    /// # Errors
    /// Fails if one is longer than the model reads.
    pub(super) fn input(
        &self,
        lengths: &[usize],
        width: usize,
        config: &EncoderConfig,
        device: &Device,
    ) -> Result<TokenInput> {
        let mut ids = vec![self.pad; lengths.len() * width];
        for (&length, row) in lengths.iter().zip(ids.chunks_mut(width.max(1))) {
            let own = self.own(length);
            row[..own.start].copy_from_slice(&self.lead);
            row[own.clone()].fill(self.filler);
            row[own.end..length].copy_from_slice(&self.trail[..length - own.end]);
        }
        let types = vec![0; ids.len()];
        TokenInput::new(config, &ids, &types, Spans::right_padded(lengths, width)?, device)
    }

    /// 1 where a guess is its own, 0 at special tokens and padding, `[guesses, width, 1]`.
    pub(super) fn free(&self, lengths: &[usize], width: usize, device: &Device) -> Tensor<3> {
        mask(lengths, width, device, |length| self.own(length))
    }
}

/// 1 in the positions that `range` gives for a length, `[guesses, width, 1]`.
pub(super) fn mask(
    lengths: &[usize],
    width: usize,
    device: &Device,
    range: impl Fn(usize) -> std::ops::Range<usize>,
) -> Tensor<3> {
    let mut values = vec![0.0f32; lengths.len() * width];
    for (&length, row) in lengths.iter().zip(values.chunks_mut(width.max(1))) {
        row[range(length)].fill(1.0);
    }
    Tensor::from_data(TensorData::new(values, [lengths.len(), width, 1]), device)
}
