//! Who guesses: teachers, the student's space, and what is drawn.

use super::checks::{check_layer, check_lengths};
use super::frame::Frame;
use super::guesses::{Draft, Guesses};
use super::moments::Moments;
use super::nearest::WordSearch;
use super::side::{Place, Side, mixed, read_at};
use super::spec::{GuessForm, GuessStart, GuessingSpec};
use super::turns::Turns;
use crate::EmbeddingMap;
use crate::live::{LiveTeacher, named, require_shared_vocabulary, special_ids};
use burn::tensor::{Tensor, TensorData};
use faculty_core::{Error, LabelJoin, Result, Stream};
use faculty_model::Classifier;
use faculty_nn::{DropoutPlan, SequenceClassifier};

/// Constructs pseudo-embeddings of which teachers are sure. Networks are constants: a gradient goes through them to what is
/// guessed and stops at no weight, and dropout is off.
#[derive(Debug, Clone)]
pub struct EmbeddingGuesser {
    pub(super) spec: GuessingSpec,
    pub(super) stream: Stream,
    pub(super) frame: Frame,
    pub(super) student: StudentSide,
    pub(super) sides: Vec<Side>,
    turns: Turns,
    /// Over the student's words; none for hidden states.
    pub(super) search: Option<WordSearch>,
}

/// What is read of the student as it was before its training: configuration, word table, tokenizer.
#[derive(Debug, Clone)]
pub(super) struct StudentSide {
    pub(super) model: Classifier,
    /// The layer behind which it reads.
    pub(super) layer: usize,
    /// Its rows of the limited vocabulary, of mixtures.
    pub(super) words: Option<Tensor<2>>,
    /// The ids of these rows, ascending.
    pub(super) vocabulary: Vec<u32>,
    /// The word embedding of its mask token, `[1, 1, embedding]`.
    pub(super) mask_row: Option<Tensor<3>>,
}

/// How given rows are read.
#[derive(Debug, Clone)]
pub struct Reading {
    /// What the student reads, `[guesses, tokens, width]`.
    pub entry: Tensor<3>,
    /// What each teacher says over its labels that take part, `[guesses, C_i]`.
    pub teachers: Vec<Tensor<2>>,
}

impl EmbeddingGuesser {
    /// Prepares for `teachers`, in the order of `join`, and for students with the vocabulary and the word table of `student`.
    /// Maps, moments, thresholds and limited vocabularies are found here, once.
    ///
    /// # Errors
    /// Fails if a setting is out of range, a teacher has another vocabulary than the student, a model does not read the lengths,
    /// there is no mask token where masks are wanted, or hidden states do not fit all models.
    pub fn new(
        student: &Classifier,
        teachers: &[&Classifier],
        join: &LabelJoin,
        spec: GuessingSpec,
        seed: u64,
    ) -> Result<Self> {
        spec.check()?;
        let help = "rows of one word table mean nothing to another tokenizer: write texts instead, as snapped guesses \
                    of each teacher (`EmbeddingGuesser::snap`) or by a generator ([[text]], --data-free)";
        require_shared_vocabulary(student, &named(Some(teachers), join)?, help)?;
        let special = special_ids(student);
        let frame = Frame::of(student, &special)?;
        check_lengths(&spec, &frame, student, teachers)?;
        let table = word_table(student);
        let layers = check_layer(&spec, student, teachers)?;
        let mask = student.tokenizer.special_ids().mask;
        if mask.is_none() && (spec.beta > 0.0 || spec.self_supervision > 0.0) {
            return Err(Error::input("the student's tokenizer has no mask token")
                .key("guessing.self_supervision")
                .expected("0, and guessing.beta = 0"));
        }
        let mask_row = mask.map(|id| table.clone().narrow(0, id as usize, 1).unsqueeze_dim(0));
        let moments = match spec.start {
            GuessStart::Moments => Moments::of_rows(table.clone())?,
            GuessStart::Standard => Moments::standard(table.dims()[1]),
        };
        let side = |(live, teacher): (LiveTeacher, &&Classifier)| -> Result<Side> {
            let by_map = matches!(spec.form, GuessForm::Rows {});
            Ok(Side {
                classes: 0,
                map: by_map.then(|| EmbeddingMap::fit(student, teacher)).transpose()?,
                words: None,
                layer: layers.teacher,
                moments: moments.clone(),
                threshold: 0.0,
                live,
            })
        };
        let mut sides: Vec<Side> =
            LiveTeacher::all(Some(teachers), join)?.into_iter().zip(teachers).map(side).collect::<Result<_>>()?;
        sides.iter_mut().zip(join.teachers()).for_each(|(side, part)| side.classes = part.len());
        let words_are_read = layers.student == 0;
        let mut guesser = Self {
            spec,
            stream: Stream::new(seed, "guessing"),
            frame,
            student: StudentSide {
                model: student.clone(),
                layer: layers.student,
                words: None,
                vocabulary: Vec::new(),
                mask_row,
            },
            turns: Turns::new(join.teachers().iter().map(|part| part.len())),
            sides,
            search: words_are_read.then(|| WordSearch::new(table, &special)),
        };
        match spec.form {
            GuessForm::Rows {} => {}
            GuessForm::Mixture { words, .. } => guesser.limit_vocabulary(words, &special)?,
            GuessForm::Hidden { .. } => guesser.take_hidden_moments()?,
        }
        guesser.set_thresholds()?;
        Ok(guesser)
    }

    /// The settings.
    pub fn spec(&self) -> &GuessingSpec {
        &self.spec
    }

    /// θ of every teacher: its mean energy of what was drawn and not guessed.
    pub fn thresholds(&self) -> Vec<f64> {
        self.sides.iter().map(|side| side.threshold).collect()
    }

    /// The token ids of which mixtures are made, ascending; none for other forms.
    pub fn vocabulary(&self) -> &[u32] {
        &self.student.vocabulary
    }

    /// The share of each teacher's word table that a map from the student's does not explain; nothing but for rows.
    pub fn unexplained(&self) -> Vec<f64> {
        self.sides.iter().filter_map(|side| side.map.as_ref()).map(EmbeddingMap::residual).collect()
    }

    /// What `count` guesses from number `first` on are made for. Teachers take turns, each as often as it has classes, and so do the
    /// classes of each, in an order drawn anew every round; lengths are drawn from one bucket.
    pub fn drafts(&self, first: u64, count: usize) -> Vec<Draft> {
        self.drafts_by(first, count, |number| self.turns.at(number))
    }

    /// The same, where `turn_of` says whose turn a number is, and how manieth of its own.
    pub(super) fn drafts_by(&self, first: u64, count: usize, turn_of: impl Fn(u64) -> (usize, u64)) -> Vec<Draft> {
        let [fewest, most] = self.spec.lengths;
        let stream = self.stream.fork(1).fork(first);
        let middle = stream.below_at(0, (most - fewest + 1) as u64) as usize;
        let bucket = fewest + middle / self.spec.bucket * self.spec.bucket;
        let room = self.spec.bucket.min(most + 1 - bucket);
        let draft = |number: u64| {
            let (teacher, turn) = turn_of(number);
            let classes = self.sides[teacher].classes.max(1);
            let round = self.stream.fork(2).fork(teacher as u64).fork(turn / classes as u64);
            Draft {
                number,
                teacher,
                class: round.permutation(classes)[(turn % classes as u64) as usize],
                length: bucket + stream.below_at(1 + number - first, room as u64) as usize,
            }
        };
        (first..first + count as u64).map(draft).collect()
    }

    /// What is drawn for drafts before anything is guessed, `[guesses, tokens, numbers]`: rows, hidden states or the a of
    /// mixtures. Special rows of words are the student's own.
    ///
    /// # Errors
    /// Fails if a length does not fit the student.
    pub fn draw(&self, drafts: &[Draft]) -> Result<Tensor<3>> {
        let device = &self.student.model.device;
        let lengths: Vec<usize> = drafts.iter().map(|draft| draft.length).collect();
        let width = lengths.iter().copied().max().unwrap_or(0);
        let stream = self.stream.fork(3);
        let (spread, words) = match (self.spec.form, &self.student.words) {
            (GuessForm::Mixture { spread, .. }, Some(words)) => (spread, words.dims()[0]),
            _ => (0.0, 0),
        };
        let numbers = |draft: &Draft| match words {
            0 => self.sides[draft.teacher].moments.draw(stream.fork(draft.number), width),
            words => {
                let mixture = Moments { mean: vec![0.0; words], deviation: vec![spread as f32; words] };
                mixture.draw(stream.fork(draft.number), width)
            }
        };
        let values: Vec<f32> = drafts.iter().flat_map(numbers).collect();
        let size = values.len() / (drafts.len() * width).max(1);
        let drawn = Tensor::from_data(TensorData::new(values, [drafts.len(), width, size]), device);
        match self.spec.form {
            GuessForm::Rows {} => Ok(self.student_place(&lengths, width)?.framed(drawn)),
            _ => Ok(drawn),
        }
    }

    /// How student and teachers read given rows (or mixtures, or hidden states) `[guesses, tokens, numbers]`.
    ///
    /// # Errors
    /// Fails if a length does not fit a model.
    pub fn read(&self, free: Tensor<3>, lengths: &[usize]) -> Result<Reading> {
        let width = free.dims()[1];
        let entry = self.entry(free.clone(), &self.student_place(lengths, width)?);
        let teachers = self
            .sides
            .iter()
            .map(|side| Ok(side.logits(free.clone(), entry.clone(), &side.place(&self.frame, lengths, width)?)));
        Ok(Reading { teachers: teachers.collect::<Result<_>>()?, entry })
    }

    /// What the student says of guesses, `[guesses, classes]`, with a gradient to the weights of `network` alone.
    ///
    /// # Errors
    /// Fails if a length does not fit the student.
    pub fn student_logits(
        &self,
        network: &SequenceClassifier,
        guesses: &Guesses,
        dropout: &DropoutPlan,
    ) -> Result<Tensor<2>> {
        let input = self.student_place(&guesses.lengths, guesses.entry.dims()[1])?.input;
        let entry = Tensor::from_inner(guesses.entry.clone());
        Ok(read_at(network, self.student.layer, entry, &input, dropout))
    }

    /// What the student reads of what is optimised.
    pub(super) fn entry(&self, free: Tensor<3>, place: &Place) -> Tensor<3> {
        match &self.student.words {
            Some(table) => place.framed(mixed(free, table)),
            None => free,
        }
    }

    pub(super) fn student_place(&self, lengths: &[usize], width: usize) -> Result<Place> {
        Place::of(&self.student.model, &self.frame, lengths, width, self.student.layer)
    }
}

/// The word embeddings of the tokens that exist, `[tokens, embedding]`, on the plain device.
pub(crate) fn word_table(model: &Classifier) -> Tensor<2> {
    let words = model.network.encoder.embeddings.words.val().inner();
    let rows = words.dims()[0].min(model.tokenizer.vocab_size());
    words.narrow(0, 0, rows)
}
