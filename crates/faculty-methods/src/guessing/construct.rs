//! Stage 1: guesses move until their teachers are sure of them. No weight does.

use super::guesser::EmbeddingGuesser;
use super::guesses::{Draft, Guesses, positions};
use super::moments::apart;
use super::rebuild::Rebuilder;
use super::setting::Setting;
use super::spec::GuessForm;
use super::terms::{cross_entropies, energy, intended};
use crate::companion::TeacherWork;
use crate::live::constant_student;
use burn::module::Module;
use burn::tensor::{IndexingUpdateOp, Tensor, activation};
use faculty_core::{Error, Result};
use faculty_nn::fused::{AdamWStep, adamw};
use faculty_nn::{DropoutPlan, Linear, SequenceClassifier};

/// Who judges how hard guesses are: the student, whose word embeddings they shall make hard to rebuild.
#[derive(Debug, Clone, Copy)]
pub struct Critic<'a> {
    /// The student as it is now; a constant here.
    pub network: &'a SequenceClassifier,
    /// W, its head that rebuilds; a constant here.
    pub head: &'a Linear,
    /// β.
    pub beta: f64,
}

/// The student and its head without a wish for gradients.
struct Judge {
    network: SequenceClassifier,
    head: Linear,
    mask_row: Tensor<3>,
    beta: f64,
}

/// Guesses that are not finished. All have taken equally many steps.
struct Active {
    /// Their numbers among the drafts.
    rows: Vec<usize>,
    /// What is optimised, on the plain device, `[guesses, tokens, numbers]`.
    free: Tensor<3>,
    /// Adam's moments.
    m: Option<Tensor<3>>,
    v: Option<Tensor<3>>,
    /// The nearest words' rows, `[guesses, tokens, embedding]`.
    nearest: Option<Tensor<3>>,
}

impl Active {
    fn select(&self, kept: &[usize]) -> Self {
        let index = positions(kept, &self.free.device());
        let pick = |tensor: &Tensor<3>| tensor.clone().select(0, index.clone());
        Self {
            rows: kept.iter().map(|&at| self.rows[at]).collect(),
            free: pick(&self.free),
            m: self.m.as_ref().map(pick),
            v: self.v.as_ref().map(pick),
            nearest: self.nearest.as_ref().map(pick),
        }
    }
}

impl EmbeddingGuesser {
    /// Makes the guesses of `drafts`: up to [`GuessingSpec::steps`](crate::GuessingSpec) steps of Adam on
    ///
    /// CE(z_T(e), y) - β L_ss(e) + λ_v Σ_j min_v ‖e_j - E\[v\]‖² + λ_n (‖mean(e) - mu_E‖² + ‖sd(e) - sd_E‖²) + λ_o Σ_{i ≠ T}
    /// max(0, θ_i - En_i(e)),
    ///
    /// each guess on its own and until its teacher is sure. Without a critic β is 0. Special rows do not move by a bit.
    ///
    /// # Errors
    /// Fails if a draft names no teacher or class, a length does not fit, or a device cannot deliver.
    pub fn guess(&self, drafts: &[Draft], critic: Option<Critic<'_>>) -> Result<Guesses> {
        Ok(self.guess_counting(drafts, critic)?.0)
    }

    pub(super) fn guess_counting(
        &self,
        drafts: &[Draft],
        critic: Option<Critic<'_>>,
    ) -> Result<(Guesses, TeacherWork)> {
        for draft in drafts {
            if self.sides.get(draft.teacher).is_none_or(|side| draft.class >= side.classes) {
                return Err(Error::internal(format!("a draft for class {} of {}", draft.class, draft.teacher)));
            }
        }
        let mut work = TeacherWork::default();
        let judge = critic.filter(|critic| critic.beta > 0.0).map(|critic| self.judge(&critic)).transpose()?;
        let (found, steps) = self.optimise(drafts, judge.as_ref(), &mut work)?;
        Ok((self.assemble(drafts, found, steps, &mut work)?, work))
    }

    fn judge(&self, critic: &Critic<'_>) -> Result<Judge> {
        let mask_row = self.student.mask_row.clone().ok_or_else(|| Error::internal("no mask token to rebuild with"))?;
        let network = constant_student(critic.network);
        Ok(Judge { network, head: critic.head.valid(), mask_row, beta: critic.beta })
    }

    /// What was found for every draft, `[drafts, tokens, numbers]`, and the steps that each took.
    fn optimise(
        &self,
        drafts: &[Draft],
        judge: Option<&Judge>,
        work: &mut TeacherWork,
    ) -> Result<(Tensor<3>, Vec<usize>)> {
        let rate = match self.spec.form {
            GuessForm::Mixture { rate, .. } => rate,
            GuessForm::Rows {} | GuessForm::Hidden { .. } => self.spec.rate,
        };
        let mut active =
            Active { rows: (0..drafts.len()).collect(), free: self.draw(drafts)?, m: None, v: None, nearest: None };
        let mut finished: Vec<(Vec<usize>, Tensor<3>)> = Vec::new();
        let mut steps = vec![0; drafts.len()];
        let mut setting = self.setting(drafts, &active.rows, active.free.dims()[1], judge.is_some())?;
        for step in 0..self.spec.steps {
            if self.search.is_some() && self.spec.nearest > 0.0 && step.is_multiple_of(self.spec.nearest_every) {
                active.nearest = Some(self.nearest_rows(&active, &setting)?);
            }
            let leaf = Tensor::from_inner(active.free.clone()).require_grad();
            let (loss, sure) = self.loss(leaf.clone(), &active, &setting, judge)?;
            work.forward += setting.asked();
            let (done, rest): (Vec<usize>, Vec<usize>) =
                (0..sure.len()).partition(|&at| f64::from(sure[at]) >= self.spec.stop);
            if !done.is_empty() {
                let part = active.select(&done);
                finished.push((part.rows, part.free));
            }
            if rest.is_empty() {
                active.rows.clear();
                break;
            }
            let mut gradients = loss.backward();
            work.backward += setting.asked();
            let gradient = leaf
                .grad_remove(&mut gradients)
                .ok_or_else(|| Error::internal("the guessing loss has no gradient with respect to the guesses"))?;
            let mut gradient = gradient * setting.student.free.clone();
            if !done.is_empty() {
                active = active.select(&rest);
                gradient = gradient.select(0, positions(&rest, &active.free.device()));
                setting = self.setting(drafts, &active.rows, active.free.dims()[1], judge.is_some())?;
            }
            let Active { free, m, v, .. } = active;
            let (free, m, v) = adamw(free, gradient, m, v, adam(rate, step + 1));
            active = Active { free, m: Some(m), v: Some(v), ..active };
            active.rows.iter().for_each(|&row| steps[row] += 1);
        }
        if !active.rows.is_empty() {
            finished.push((active.rows, active.free));
        }
        let order: Vec<usize> = finished.iter().flat_map(|(rows, _)| rows).copied().collect();
        let mut back = vec![0; order.len()];
        order.iter().enumerate().for_each(|(at, &row)| back[row] = at);
        let all = Tensor::cat(finished.into_iter().map(|(_, free)| free).collect(), 0);
        let back = positions(&back, &all.device());
        Ok((all.select(0, back), steps))
    }

    /// The sum over the guesses, and the probability of the class of each.
    fn loss(
        &self,
        leaf: Tensor<3>,
        active: &Active,
        setting: &Setting,
        judge: Option<&Judge>,
    ) -> Result<(Tensor<1>, Vec<f32>)> {
        let (spec, place) = (&self.spec, &setting.student);
        let entry = self.entry(leaf.clone(), place);
        let device = leaf.device().inner();
        let mut sure = vec![0.0; active.rows.len()];
        let mut terms: Vec<Tensor<1>> = Vec::new();
        for (side, part) in self.sides.iter().zip(&setting.teachers).filter(|(_, part)| !part.rows.is_empty()) {
            let whole = part.rows.len() == active.rows.len();
            let index = positions(&part.rows, &device);
            let pick = |tensor: Tensor<3>| if whole { tensor } else { tensor.select(0, index.clone()) };
            let logits = side.logits(pick(leaf.clone()), pick(entry.clone()), &part.place);
            if !part.own.is_empty() {
                let own = logits.clone().select(0, positions(&part.own, &device));
                let found = intended(own.clone().inner(), &part.classes)?;
                part.own.iter().zip(found).for_each(|(&at, found)| sure[part.rows[at]] = found);
                terms.push(cross_entropies(own, &part.classes, spec.smoothing, &device).sum());
            }
            if spec.others > 0.0 && !part.foreign.is_empty() {
                let foreign = logits.select(0, positions(&part.foreign, &device));
                let below = activation::relu(energy(foreign).neg().add_scalar(side.threshold));
                terms.push(below.sum().mul_scalar(spec.others));
            }
        }
        // Priors of mixtures and rows are in the student's space, where guesses are learnt from.
        if spec.moments > 0.0 {
            let apart = apart(entry.clone(), &place.free, &setting.mean, &setting.deviation);
            terms.push(apart.sum().mul_scalar(spec.moments));
        }
        if let Some(nearest) = &active.nearest {
            let apart = (entry.clone() - nearest.clone()).powi_scalar(2) * place.free.clone();
            terms.push(apart.sum().mul_scalar(spec.nearest));
        }
        if let (Some(judge), Some(masked)) = (judge, &setting.masked) {
            let Judge { network, head, mask_row, beta } = judge;
            let rebuilder = Rebuilder { network, head, mask_row };
            let errors = rebuilder.errors(entry, masked, &place.input, &DropoutPlan::Off);
            // The guess looks for what the student cannot rebuild: the sign is the other way round in stage 2.
            terms.push(errors.sum().mul_scalar(-beta));
        }
        let total = terms.into_iter().reduce(|sum, term| sum + term);
        Ok((total.ok_or_else(|| Error::internal("guesses that no teacher reads"))?, sure))
    }

    /// The rows of the words nearest to each free row, the guess's own rows elsewhere.
    fn nearest_rows(&self, active: &Active, setting: &Setting) -> Result<Tensor<3>> {
        let search = self.search.as_ref().ok_or_else(|| Error::internal("hidden states are near to no word"))?;
        let entry = self.entry(active.free.clone(), &setting.student);
        let [count, tokens, width] = entry.dims();
        let (rows, index) = Guesses::masked_rows(entry.clone(), &setting.student.free)?;
        let apart = search.rows(rows.clone())? - rows;
        let moved = Tensor::zeros([count * tokens, width], &entry.device());
        let moved = moved.select_assign(0, index, apart, IndexingUpdateOp::Add);
        Ok(entry + moved.reshape([count, tokens, width]))
    }

    /// Asks all teachers about what was found.
    fn assemble(
        &self,
        drafts: &[Draft],
        free: Tensor<3>,
        steps: Vec<usize>,
        work: &mut TeacherWork,
    ) -> Result<Guesses> {
        let lengths: Vec<usize> = drafts.iter().map(|draft| draft.length).collect();
        let reading = self.read(free, &lengths)?;
        work.forward += (drafts.len() * self.sides.len()) as u64;
        let logits: Vec<Tensor<2>> = reading.teachers.into_iter().map(Tensor::inner).collect();
        let mut confidence = vec![0.0; drafts.len()];
        for (teacher, logits) in logits.iter().enumerate() {
            let own: Vec<usize> = (0..drafts.len()).filter(|&at| drafts[at].teacher == teacher).collect();
            if own.is_empty() {
                continue;
            }
            let classes: Vec<usize> = own.iter().map(|&at| drafts[at].class).collect();
            let rows = logits.clone().select(0, positions(&own, &logits.device()));
            own.iter().zip(intended(rows, &classes)?).for_each(|(&at, found)| confidence[at] = found);
        }
        Ok(Guesses {
            entry: reading.entry.inner(),
            lengths,
            teachers: drafts.iter().map(|draft| draft.teacher).collect(),
            classes: drafts.iter().map(|draft| draft.class).collect(),
            logits,
            confidence,
            steps,
        })
    }
}

/// Adam without decay in step `time` (from 1).
fn adam(rate: f64, time: usize) -> AdamWStep {
    let (beta1, beta2, time) = (0.9f64, 0.999f64, i32::try_from(time).unwrap_or(i32::MAX));
    AdamWStep {
        lr: rate,
        beta1,
        beta2,
        eps: 1e-8,
        weight_decay: 0.0,
        bias_correction1: 1.0 - beta1.powi(time),
        bias_correction2: 1.0 - beta2.powi(time),
    }
}
