//! What is found once, from rows that are drawn and not guessed: thresholds of energy, moments of hidden states, words worth
//! mixing.

use super::frame::mask;
use super::guesser::{EmbeddingGuesser, word_table};
use super::guesses::{Draft, Guesses, positions};
use super::moments::Moments;
use super::side::{Place, read_at};
use super::spec::GuessStart;
use super::terms::{cross_entropies, energy};
use burn::tensor::{Tensor, TensorData};
use faculty_core::{Error, Result};
use faculty_model::Classifier;
use faculty_nn::{DropoutPlan, Taps, host_values};

/// Guesses of which thresholds, moments of hidden states and limited vocabularies are taken.
const PROBES: usize = 64;

impl EmbeddingGuesser {
    /// Guesses of every teacher alike, for what is found once.
    pub(super) fn probes(&self) -> Vec<Draft> {
        let teachers = self.sides.len().max(1) as u64;
        // Numbers that no training reaches.
        self.drafts_by(u64::MAX / 2, PROBES, |number| ((number % teachers) as usize, number / teachers))
    }

    pub(super) fn set_thresholds(&mut self) -> Result<()> {
        if self.spec.others == 0.0 {
            return Ok(());
        }
        let drafts = self.probes();
        let lengths: Vec<usize> = drafts.iter().map(|draft| draft.length).collect();
        let reading = self.read(self.draw(&drafts)?, &lengths)?;
        for (side, logits) in self.sides.iter_mut().zip(reading.teachers) {
            let energies = host_values(energy(logits.inner()))?;
            side.threshold = energies.iter().map(|energy| f64::from(*energy)).sum::<f64>() / energies.len() as f64;
        }
        Ok(())
    }

    /// Of random rows that pass the lower layers of each teacher: where hidden guesses for it start.
    pub(super) fn take_hidden_moments(&mut self) -> Result<()> {
        if self.spec.start == GuessStart::Standard {
            let width = self.student.model.config.hidden_size;
            self.sides.iter_mut().for_each(|side| side.moments = Moments::standard(width));
            return Ok(());
        }
        let drafts = self.probes();
        let lengths: Vec<usize> = drafts.iter().map(|draft| draft.length).collect();
        let (width, stream) = (lengths.iter().copied().max().unwrap_or(0), self.stream.fork(4));
        for side in &mut self.sides {
            let (model, layer) = (&side.live.model, side.layer);
            let words = Moments::of_rows(word_table(model))?;
            let values: Vec<f32> =
                drafts.iter().flat_map(|draft| words.draw(stream.fork(draft.number), width)).collect();
            let shape = [drafts.len(), width, words.mean.len()];
            let place = Place::of(model, &self.frame, &lengths, width, 0)?;
            let drawn = place.framed(Tensor::from_data(TensorData::new(values, shape), &model.device));
            let encoder = &model.network.encoder;
            let embedded = encoder.embeddings.embed_soft(drawn, &place.input);
            let taps = Taps::Only(vec![layer]);
            let found = encoder.forward_embedded(embedded, place.input.spans(), &DropoutPlan::Off, &taps);
            let state = found.taps.into_iter().map(|(_, state)| state).next();
            let state = state.ok_or_else(|| Error::internal(format!("no hidden state {layer}")))?;
            let real = mask(&lengths, width, &model.device, |length| 0..length);
            side.moments = Moments::of_rows(Guesses::masked_rows(state, &real)?.0)?;
        }
        Ok(())
    }

    /// The words of which mixtures are made: those whose share in random rows would change the teachers' cross-entropies most,
    /// by the norm of its gradient; every teacher has the same say.
    pub(super) fn limit_vocabulary(&mut self, count: usize, special: &[u32]) -> Result<()> {
        let scores = self.word_scores()?;
        let mut ids: Vec<usize> =
            (0..scores.len()).filter(|id| special.binary_search(&(*id as u32)).is_err()).collect();
        ids.sort_by(|a, b| scores[*b].total_cmp(&scores[*a]).then(a.cmp(b)));
        ids.truncate(count);
        ids.sort_unstable();
        if ids.len() < 2 {
            return Err(Error::input("the tokenizer has fewer than two words").key("guessing.form"));
        }
        let rows = |model: &Classifier| word_table(model).select(0, positions(&ids, &model.device));
        self.student.words = Some(rows(&self.student.model));
        self.student.vocabulary = ids.iter().map(|&id| id as u32).collect();
        for side in &mut self.sides {
            side.words = Some(rows(&side.live.model));
        }
        Ok(())
    }

    /// Σ (E_v · ∂CE/∂e)² over positions of random rows, by word, each teacher's scaled to a maximum of 1.
    fn word_scores(&self) -> Result<Vec<f64>> {
        let drafts = self.probes();
        let stream = self.stream.fork(5);
        let mut scores: Vec<f64> = Vec::new();
        for (index, side) in self.sides.iter().enumerate() {
            let own: Vec<&Draft> = drafts.iter().filter(|draft| draft.teacher == index).collect();
            let lengths: Vec<usize> = own.iter().map(|draft| draft.length).collect();
            let width = lengths.iter().copied().max().unwrap_or(0);
            let place = Place::of(&side.live.model, &self.frame, &lengths, width, 0)?;
            let (table, device) = (word_table(&side.live.model), side.device());
            let words = Moments::of_rows(table.clone())?;
            let values: Vec<f32> = own.iter().flat_map(|draft| words.draw(stream.fork(draft.number), width)).collect();
            let shape = [own.len(), width, words.mean.len()];
            let drawn = place.framed(Tensor::from_data(TensorData::new(values, shape), device));
            let leaf = Tensor::from_inner(drawn).require_grad();
            let logits = side.live.keep(read_at(&side.live.network, 0, leaf.clone(), &place.input, &DropoutPlan::Off));
            let classes: Vec<usize> = own.iter().map(|draft| draft.class).collect();
            let loss = cross_entropies(logits, &classes, self.spec.smoothing, device).sum();
            let gradient = leaf
                .grad_remove(&mut loss.backward())
                .ok_or_else(|| Error::internal("the cross-entropy has no gradient with respect to the words"))?;
            let (gradient, _) = Guesses::masked_rows(gradient, &place.free)?;
            // Through the Gram matrix of the gradients: Σ_r (g_r · v)² = vᵀ (GᵀG) v.
            let gram = gradient.clone().swap_dims(0, 1).matmul(gradient);
            let found = host_values((table.clone().matmul(gram) * table).sum_dim(1))?;
            let largest = found.iter().copied().fold(f32::MIN_POSITIVE, f32::max);
            scores.resize(found.len().max(scores.len()), 0.0);
            scores.iter_mut().zip(found).for_each(|(score, found)| *score += f64::from(found / largest));
        }
        Ok(scores)
    }
}
