//! The anchors of all teachers, over the texts of a training.

use super::net::AnchorNet;
use super::report::AnchorReport;
use super::spec::{AnchorSpec, Towards, Whose};
use crate::live::{LiveTeacher, constant, logits_of, named, require_shared_vocabulary, special_ids};
use crate::{EmbeddingMap, TransferSet};
use burn::tensor::{Device, Int, Tensor, TensorData};
use faculty_core::metrics::{argmax, log_sum_exp, softmax};
use faculty_core::{Error, Result, Stream};
use faculty_model::{Classifier, Tokens};
use faculty_nn::{DropoutPlan, Embeddings, SequenceClassifier, TokenInput};

/// The share of the texts whose mean energy a teacher calls known.
const SUREST: f64 = 0.1;

/// Anchors of texts under every teacher.
#[derive(Debug, Clone)]
pub struct Anchors {
    pub(super) spec: AnchorSpec,
    pub(super) sides: Vec<AnchorSide>,
    pub(super) stream: Stream,
    student: Classifier,
    /// Ids that never move, ascending.
    pub(super) special: Vec<u32>,
}

/// A teacher's side.
#[derive(Debug, Clone)]
pub(super) struct AnchorSide {
    pub(super) live: LiveTeacher,
    /// On the plain device; none where the teacher is sure of no text.
    pub(super) net: Option<AnchorNet>,
    /// From this teacher's word space to the student's; none where nothing moves in its space.
    map: Option<EmbeddingMap>,
    /// Its class of every text, among those that take part.
    pub(super) classes: Vec<usize>,
    /// Whether it gives that class enough.
    pub(super) sure: Vec<bool>,
    /// ε: its mean energy of the texts that it is surest of.
    pub(super) known: f64,
    pub(super) report: Option<AnchorReport>,
}

/// Texts as one model reads them.
pub(super) struct ReadTexts {
    pub(super) input: TokenInput,
    /// Word embeddings, `[texts, tokens, embedding]`, on the plain device.
    pub(super) words: Tensor<3>,
    /// 1 where words may move: 0 at special tokens and padding, `[texts, tokens, 1]`.
    pub(super) free: Tensor<3>,
    /// 1 in the text, 0 in the padding.
    pub(super) inside: Tensor<3>,
}

impl Anchors {
    /// Prepares for `teachers`, in the order of the join of `transfer`, and for the texts that they have answered there. Nets are
    /// fresh: [`Anchors::train`] trains them.
    ///
    /// # Errors
    /// Fails if a setting is out of range, or a teacher has another vocabulary than the student.
    pub fn new(
        student: &Classifier,
        teachers: &[&Classifier],
        transfer: &TransferSet<'_>,
        spec: AnchorSpec,
        seed: u64,
    ) -> Result<Self> {
        spec.check()?;
        let help = "anchors move word embeddings that student and teachers share; with other tokenizers leave them out \
                    (anchors.towards = { kind = \"nothing\" }), or learn from texts written for the teachers ([[text]])";
        // What no embedding of one model reaches in another needs no common words.
        if spec.towards != (Towards::Nothing {}) {
            require_shared_vocabulary(student, &named(Some(teachers), transfer.join)?, help)?;
        }
        let stream = Stream::new(seed, "anchors");
        let lives = LiveTeacher::all(Some(teachers), transfer.join)?;
        let mut sides = Vec::with_capacity(lives.len());
        for (index, (live, outputs)) in lives.into_iter().zip(transfer.outputs).enumerate() {
            let moves = spec.towards == (Towards::Anchors {});
            let map = moves.then(|| EmbeddingMap::fit(&live.model, student)).transpose()?;
            let rows = outputs.logits.chunks_exact(outputs.classes.max(1));
            let classes: Vec<usize> = rows.clone().map(argmax).collect();
            let confidence: Vec<f64> = rows.clone().map(|row| softmax(row).into_iter().fold(0.0, f64::max)).collect();
            let sure: Vec<bool> = confidence.iter().map(|confidence| *confidence >= spec.sure).collect();
            let width = live.model.network.encoder.embeddings.words.dims()[1];
            let net = (moves && sure.iter().any(|sure| *sure)).then(|| {
                let (hidden, psi) = (spec.training.hidden, spec.training.psi);
                let moving = 1.0 - spec.invariant;
                let stream = stream.fork(index as u64).fork(0);
                AnchorNet::fresh(outputs.classes, width, hidden, psi, moving, stream, &live.model.device)
            });
            let energies: Vec<f64> = rows.map(|row| -log_sum_exp(row)).collect();
            let known = mean_of_surest(&energies, &confidence);
            sides.push(AnchorSide { live, net, map, classes, sure, known, report: None });
        }
        Ok(Self { spec, sides, stream, student: student.clone(), special: special_ids(student) })
    }

    /// ε of every teacher.
    pub fn known_energies(&self) -> Vec<f64> {
        self.sides.iter().map(|side| side.known).collect()
    }

    /// The nets; none for a teacher that is sure of no text.
    pub fn nets(&self) -> impl Iterator<Item = Option<&AnchorNet>> {
        self.sides.iter().map(|side| side.net.as_ref())
    }

    /// What training brought, for every teacher that was trained for.
    pub fn reports(&self) -> impl Iterator<Item = &AnchorReport> {
        self.sides.iter().filter_map(|side| side.report.as_ref())
    }

    /// Where the texts `rows` go, in the word space of `student`, who may be in training: e' - e, `[rows, tokens, embedding]`, 0
    /// at special tokens, at padding and for texts that no trusted teacher is sure of. `weights` are the gate's,
    /// `[rows, teachers]` row-major; `pass` draws the masks of [`Towards::Masked`].
    ///
    /// # Errors
    /// Fails if tokens do not fit a model, there are other teachers, or no mask token is there to mask with.
    pub fn displacement(
        &self,
        student: &SequenceClassifier,
        tokens: &Tokens,
        rows: &[usize],
        weights: &[f32],
        pass: usize,
    ) -> Result<Tensor<3>> {
        if weights.len() != rows.len() * self.sides.len() {
            return Err(Error::internal(format!("{} weights for {} texts", weights.len(), rows.len())));
        }
        let embeddings = &student.encoder.embeddings;
        let read = self.read_with(embeddings, &self.student, tokens, rows)?;
        match self.spec.towards {
            Towards::Nothing {} => Ok(read.words.zeros_like()),
            Towards::Masked { share } => self.masking((embeddings, &self.student), &read, rows, share, pass),
            Towards::Anchors {} => {
                let shares = self.shares(weights);
                let mut sum = read.words.zeros_like();
                for (index, side) in self.sides.iter().enumerate() {
                    let own: Vec<f32> = rows
                        .iter()
                        .zip(shares.chunks_exact(self.sides.len()))
                        .map(|(&row, shares)| if side.sure[row] { shares[index] } else { 0.0 })
                        .collect();
                    if own.iter().all(|share| *share == 0.0) {
                        continue;
                    }
                    let Some(moved) = self.own_displacement(index, tokens, rows)? else { continue };
                    let own = Tensor::from_data(TensorData::new(own, [rows.len(), 1, 1]), &moved.device());
                    let moved = side.map.as_ref().map_or_else(|| moved.clone(), |map| map.apply(moved.clone()));
                    sum = sum + moved * own;
                }
                Ok(sum)
            }
        }
    }

    /// What every teacher says of its own mixes e_i + (1 - f) (e'_i - e_i) of the texts `rows`, `[rows, C_i]`.
    ///
    /// # Errors
    /// As [`Anchors::displacement`].
    pub fn mixed_logits(&self, tokens: &Tokens, rows: &[usize], share: f64, pass: usize) -> Result<Vec<Tensor<2>>> {
        let one = |(index, side): (usize, &AnchorSide)| -> Result<Tensor<2>> {
            let model = &side.live.model;
            let read = self.read_by(model, tokens, rows)?;
            let moved = match self.spec.towards {
                Towards::Nothing {} => None,
                Towards::Masked { share } => {
                    let embeddings = &model.network.encoder.embeddings;
                    Some(self.masking((embeddings, model), &read, rows, share, pass)?)
                }
                Towards::Anchors {} => self.sure_displacement(index, tokens, rows)?,
            };
            let words = match moved {
                Some(moved) => read.words + moved.mul_scalar(1.0 - share),
                None => read.words,
            };
            Ok(side.live.keep(logits_of(&model.network, words, &read.input, &DropoutPlan::Off)))
        };
        self.sides.iter().enumerate().map(one).collect()
    }

    /// The texts `rows` as a model reads them.
    pub(super) fn read_by(&self, model: &Classifier, tokens: &Tokens, rows: &[usize]) -> Result<ReadTexts> {
        self.read_with(&model.network.encoder.embeddings, model, tokens, rows)
    }

    /// The same with the embeddings of the model as they are now.
    fn read_with(
        &self,
        embeddings: &Embeddings,
        model: &Classifier,
        tokens: &Tokens,
        rows: &[usize],
    ) -> Result<ReadTexts> {
        let input = tokens.batch(rows, &model.config, &model.device)?;
        let (free, inside) = self.masks(&input, &model.device);
        let words = embeddings.look_up(&input).inner();
        Ok(ReadTexts { input, words, free, inside })
    }

    /// The displacement by teacher `index`, in its own space, of texts that it is sure of; of others 0.
    fn sure_displacement(&self, index: usize, tokens: &Tokens, rows: &[usize]) -> Result<Option<Tensor<3>>> {
        let sure: Vec<f32> = rows.iter().map(|&row| f32::from(u8::from(self.sides[index].sure[row]))).collect();
        Ok(self.own_displacement(index, tokens, rows)?.map(|moved| {
            let sure = Tensor::from_data(TensorData::new(sure, [rows.len(), 1, 1]), &moved.device());
            moved * sure
        }))
    }

    /// The displacement by teacher `index`, in its own space.
    fn own_displacement(&self, index: usize, tokens: &Tokens, rows: &[usize]) -> Result<Option<Tensor<3>>> {
        let side = &self.sides[index];
        let Some(net) = &side.net else { return Ok(None) };
        let ReadTexts { words, free, inside, .. } = self.read_by(&side.live.model, tokens, rows)?;
        let classes = class_tensor(rows.iter().map(|&row| side.classes[row]), &words.device());
        Ok(Some(net.displacement(words, classes, &free, &inside).0.inner()))
    }

    /// \[MASK\] - e at a share of the words, 0 elsewhere. All models mask the same words.
    fn masking(
        &self,
        (embeddings, model): (&Embeddings, &Classifier),
        read: &ReadTexts,
        rows: &[usize],
        share: f64,
        pass: usize,
    ) -> Result<Tensor<3>> {
        let id = model.tokenizer.special_ids().mask.ok_or_else(|| {
            Error::input("the tokenizer has no mask token").key("anchors.towards").expected("anchors, or nothing")
        })?;
        let words = embeddings.words.val().inner();
        let mask_row: Tensor<3> = words.narrow(0, id as usize, 1).unsqueeze_dim(0);
        let (spans, stream) = (read.input.spans(), self.stream.fork(u64::MAX).fork(pass as u64));
        let width = spans.width();
        let mut chosen = vec![0.0f32; rows.len() * width];
        for (at, &row) in rows.iter().enumerate() {
            let own = stream.fork(row as u64);
            for place in spans.range(at) {
                let hit = own.uniform_at(place as u64) < share;
                chosen[at * width + place] = f32::from(u8::from(hit));
            }
        }
        let chosen = Tensor::from_data(TensorData::new(chosen, [rows.len(), width, 1]), &model.device);
        Ok((mask_row - read.words.clone()) * chosen * read.free.clone())
    }

    /// How much of each teacher's anchor a text gets, `[rows, teachers]`.
    fn shares(&self, weights: &[f32]) -> Vec<f32> {
        let teachers = self.sides.len();
        let mut shares = weights.to_vec();
        if self.spec.whose == Whose::Trusted {
            for row in shares.chunks_exact_mut(teachers) {
                let (trusted, claimed) = (argmax(row), row.iter().any(|weight| *weight > 0.0));
                row.fill(0.0);
                row[trusted] = f32::from(u8::from(claimed));
            }
        }
        shares
    }

    /// 1 where words may move, and 1 in the text, `[texts, tokens, 1]` both.
    fn masks(&self, input: &TokenInput, device: &Device) -> (Tensor<3>, Tensor<3>) {
        let spans = input.spans();
        let shape = [spans.rows(), spans.width(), 1];
        let inside = spans.keep_mask();
        let moves = |(id, keep): (&u32, &f32)| if self.special.binary_search(id).is_ok() { 0.0 } else { *keep };
        let free: Vec<f32> = input.ids().iter().zip(&inside).map(moves).collect();
        let tensor = |values: Vec<f32>| Tensor::from_data(TensorData::new(values, shape), device);
        (tensor(free), tensor(inside))
    }
}

impl AnchorSide {
    /// The teacher on an autodiff device, its weights constants.
    pub(super) fn network(&self) -> SequenceClassifier {
        constant(&self.live.model.network)
    }
}

pub(super) fn class_tensor(classes: impl Iterator<Item = usize>, device: &Device) -> Tensor<1, Int> {
    let classes: Vec<i32> = classes.map(|class| class as i32).collect();
    let count = classes.len();
    Tensor::from_data(TensorData::new(classes, [count]), &device.clone().inner())
}

/// The mean energy of the tenth of the texts with the highest confidence, at least of one.
fn mean_of_surest(energies: &[f64], confidence: &[f64]) -> f64 {
    let mut order: Vec<usize> = (0..energies.len()).collect();
    order.sort_by(|a, b| confidence[*b].total_cmp(&confidence[*a]).then(a.cmp(b)));
    order.truncate(((energies.len() as f64 * SUREST).ceil() as usize).max(1));
    order.iter().map(|&at| energies[at]).sum::<f64>() / order.len().max(1) as f64
}
