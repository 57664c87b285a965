//! Teachers' hidden states behind their blocks: pooled once for all texts, or token by token for a batch.

use super::ends::block_ends;
use super::spec::BlockPositions;
use crate::TransferSet;
use crate::companion::CompanionSetup;
use crate::live::require_shared_vocabulary;
use crate::transfer::select_rows;
use burn::tensor::{Device, Tensor, TensorData};
use faculty_core::{Error, Event, Observer, Result, Unseen};
use faculty_model::{Classifier, Tokens};
use faculty_nn::{DropoutPlan, Pooling, Spans, Taps};
use std::borrow::Cow;

/// Pooled hidden states of all teachers behind all blocks, for all texts.
#[derive(Debug)]
pub(super) struct PooledStates {
    blocks: usize,
    /// By teacher: `[texts, blocks x width]`.
    teachers: Vec<(usize, Vec<f32>)>,
}

/// Teachers that are asked, with where their blocks end.
pub(super) struct Asked<'a> {
    /// In the order of the join, by name.
    teachers: Vec<(&'a str, &'a Classifier)>,
    ends: Vec<Vec<usize>>,
}

impl<'a> Asked<'a> {
    /// # Errors
    /// Fails if the teachers were not handed over.
    pub(super) fn new(setup: CompanionSetup<'_, 'a>, blocks: usize) -> Result<Self> {
        let teachers = setup.named()?;
        let ends = teachers.iter().map(|(_, model)| block_ends(model.network.encoder.layers.len(), blocks)).collect();
        Ok(Self { teachers, ends })
    }

    /// Their widths.
    pub(super) fn widths(&self) -> Vec<usize> {
        self.teachers.iter().map(|(_, model)| model.config.hidden_size).collect()
    }

    /// Number of teachers.
    pub(super) fn len(&self) -> usize {
        self.teachers.len()
    }

    /// True if states meet token by token.
    ///
    /// # Errors
    /// Fails if they must, and a teacher has another vocabulary than the student or cannot hold its longest text.
    pub(super) fn by_token(&self, wanted: BlockPositions, student: &Classifier, tokens: &Tokens) -> Result<bool> {
        let help =
            "states can meet token by token only where token ids mean the same; take blocks.positions = \"pooled\"";
        let shared = require_shared_vocabulary(student, &self.teachers, help).and_then(|()| self.can_hold(tokens));
        match wanted {
            BlockPositions::Pooled => Ok(false),
            BlockPositions::Auto => Ok(shared.is_ok()),
            BlockPositions::Tokens => shared.map(|()| true),
        }
    }

    fn can_hold(&self, tokens: &Tokens) -> Result<()> {
        let longest = tokens.lengths().into_iter().max().unwrap_or(0);
        match self.teachers.iter().find(|(_, model)| model.config.max_tokens() < longest) {
            None => Ok(()),
            Some((name, model)) => {
                let limit = model.config.max_tokens();
                Err(Error::input(format!("a text of {longest} tokens, and teacher {name} reads {limit}"))
                    .key("max_length")
                    .expected(format!("at most {limit}")))
            }
        }
    }

    /// Pooled states of all texts. Each teacher reads the texts by its own tokenizer, where the texts are at hand; otherwise it must
    /// share the student's.
    ///
    /// # Errors
    /// Fails if a teacher cannot read the texts, or the user interrupted.
    pub(super) fn pooled(
        &self,
        student: &Classifier,
        tokens: &Tokens,
        transfer: &TransferSet<'_>,
        pooling: Pooling,
        observer: &dyn Observer,
    ) -> Result<PooledStates> {
        let mut teachers = Vec::with_capacity(self.teachers.len());
        for ((name, model), ends) in self.teachers.iter().zip(&self.ends) {
            let shares = student.vocabulary_difference(model).is_none();
            let own = match (shares, transfer.texts) {
                (true, _) if self.can_hold(tokens).is_ok() => Cow::Borrowed(tokens),
                (_, Some(texts)) => Cow::Owned(model.tokenize(texts, None)?),
                _ => {
                    return Err(Error::input(format!("teacher `{name}` reads by another tokenizer than the student"))
                        .help("hand the texts over (TransferSet::with_texts), or take teachers of one vocabulary"));
                }
            };
            let values = model.pooled_states(&own, ends, pooling, &Unseen(observer))?;
            if let Some(value) = values.iter().find(|value| !value.is_finite()) {
                return Err(Error::check(format!("a hidden state of teacher `{name}` is {value}")));
            }
            teachers.push((model.config.hidden_size, values));
        }
        let text = format!("hidden states of {} teachers behind {} blocks", teachers.len(), {
            self.ends.first().map_or(0, Vec::len)
        });
        observer.on(Event::Note { text: &text });
        Ok(PooledStates { blocks: self.ends.first().map_or(0, Vec::len), teachers })
    }

    /// States of a batch token by token, `[block][teacher]`, each `[rows, tokens, width]`, on the plain device. `spans` are those
    /// of the student's input.
    ///
    /// # Errors
    /// Fails if the tokens do not fit a teacher, or the student reads other positions.
    pub(super) fn live(&self, tokens: &Tokens, rows: &[usize], spans: &Spans) -> Result<Vec<Vec<Tensor<3>>>> {
        let blocks = self.ends.first().map_or(0, Vec::len);
        let mut states: Vec<Vec<Tensor<3>>> = (0..blocks).map(|_| Vec::with_capacity(self.teachers.len())).collect();
        for ((_, model), ends) in self.teachers.iter().zip(&self.ends) {
            let input = tokens.batch(rows, &model.config, &model.device)?;
            if input.spans() != spans {
                return Err(Error::input("the student reads other positions than its teachers")
                    .key("student_noise.drop")
                    .expected("0 where states meet token by token"));
            }
            let taps = Taps::Only(ends.clone());
            let found = model.network.encoder.forward(&input, &DropoutPlan::Off, &taps).taps;
            for (block, end) in ends.iter().enumerate() {
                let state = found.iter().find(|(number, _)| number == end);
                let state = state.ok_or_else(|| Error::internal(format!("hidden state {end} was not tapped")))?;
                states[block].push(state.1.clone());
            }
        }
        Ok(states)
    }
}

impl PooledStates {
    /// Number of blocks.
    pub(super) const fn blocks(&self) -> usize {
        self.blocks
    }

    /// Those of some of the texts.
    pub(super) fn select(&self, rows: &[usize]) -> Self {
        let pick = |(width, values): &(usize, Vec<f32>)| (*width, select_rows(values, self.blocks * width, rows));
        Self { blocks: self.blocks, teachers: self.teachers.iter().map(pick).collect() }
    }

    /// A teacher's features behind a block, `[texts, width]`, and the width.
    pub(super) fn features(&self, teacher: usize, block: usize) -> (Vec<f32>, usize) {
        let (width, values) = &self.teachers[teacher];
        let rows = values.chunks_exact(self.blocks * width);
        (rows.flat_map(|row| &row[block * width..(block + 1) * width]).copied().collect(), *width)
    }

    /// The states of some texts as states of one token, by teacher, `[rows, 1, width]`.
    pub(super) fn batch(&self, block: usize, rows: &[usize], device: &Device) -> Vec<Tensor<3>> {
        let of_teacher = |(width, values): &(usize, Vec<f32>)| {
            let start = |row: usize| (row * self.blocks + block) * width;
            let picked: Vec<f32> =
                rows.iter().flat_map(|&row| &values[start(row)..start(row) + width]).copied().collect();
            Tensor::from_data(TensorData::new(picked, [rows.len(), 1, *width]), device)
        };
        self.teachers.iter().map(of_teacher).collect()
    }
}
