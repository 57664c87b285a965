//! Projections by least squares between the states of student and teacher.

use super::projection::TailProjection;
use burn::module::Param;
use burn::tensor::{Int, Tensor, TensorData};
use faculty_core::{Cholesky, Error, Observer, Result};
use faculty_model::{Classifier, Tokens};
use faculty_nn::{DropoutPlan, LayerNorm, Linear, Spans, Taps, first_tokens, host_values};

/// Texts whose products are formed together in f32 before f64 sums them.
const ROWS: usize = 32;
/// Ridges over mean diagonal element: the first under which the matrix is positive definite is taken. Of few texts products that
/// were formed in f32 are so only under a later one.
const RIDGES: [f64; 4] = [1e-6, 1e-4, 1e-2, 1.0];
/// Scales of a LayerNorm nearer to 0 than this count as this.
const LEAST_SCALE: f64 = 1e-3;

/// What projections are fitted to, for one block.
pub(super) struct Pair<'a> {
    /// The student's layer.
    pub(super) from: usize,
    /// Of every teacher: the model and its layer.
    pub(super) to: Vec<(&'a Classifier, usize)>,
}

/// Sums of one block.
struct Sums {
    /// Xᵀ X, with a column of ones, where all tokens count and where first ones do.
    gram: [Vec<f64>; 2],
    /// Xᵀ Y of every teacher.
    products: Vec<Vec<f64>>,
}

/// Starts `projections[block][teacher]` from the maps that lead from the student's states to the teachers' at equal tokens: to what
/// stands before the projection's LayerNorm where it has one. Where the teacher's layer is its last, first tokens alone are compared,
/// because its head reads nothing else. `texts` evenly spaced texts are read.
///
/// # Errors
/// Fails if a teacher cannot read the texts, or the user interrupted.
pub(super) fn fit(
    projections: &mut [Vec<TailProjection>],
    student: &Classifier,
    pairs: &[Pair<'_>],
    tokens: &Tokens,
    texts: usize,
    observer: &dyn Observer,
) -> Result<()> {
    let width = student.config.hidden_size + 1;
    let sums = |pair: &Pair<'_>| Sums {
        gram: [vec![0.0; width * width], vec![0.0; width * width]],
        products: pair.to.iter().map(|(model, _)| vec![0.0; width * model.config.hidden_size]).collect(),
    };
    let mut all: Vec<Sums> = pairs.iter().map(sums).collect();
    let count = texts.min(tokens.len());
    let chosen: Vec<usize> = (0..count).map(|at| at * tokens.len() / count).collect();
    for rows in chosen.chunks(ROWS) {
        observer.check()?;
        add_batch(&mut all, projections, student, pairs, tokens, rows)?;
    }
    for ((sums, pair), projections) in all.into_iter().zip(pairs).zip(projections) {
        let Sums { gram, products } = sums;
        for ((mut product, (model, end)), projection) in products.into_iter().zip(&pair.to).zip(projections) {
            ridged(&gram[usize::from(is_last(model, *end))], width)?.solve(&mut product)?;
            projection.map = linear(&product, width - 1, model);
        }
    }
    Ok(())
}

/// The factor of a matrix with the smallest ridge that makes it positive definite.
fn ridged(gram: &[f64], width: usize) -> Result<Cholesky> {
    let mean = gram.iter().step_by(width + 1).sum::<f64>() / width as f64;
    let with = |ridge: f64| {
        let mut gram = gram.to_vec();
        gram.iter_mut().step_by(width + 1).for_each(|diagonal| *diagonal += ridge * mean);
        Cholesky::new(gram, width)
    };
    let last = RIDGES[RIDGES.len() - 1];
    RIDGES.iter().find_map(|&ridge| with(ridge).ok()).map_or_else(|| with(last), Ok)
}

fn is_last(model: &Classifier, end: usize) -> bool {
    end == model.network.encoder.layers.len()
}

fn add_batch(
    all: &mut [Sums],
    projections: &[Vec<TailProjection>],
    student: &Classifier,
    pairs: &[Pair<'_>],
    tokens: &Tokens,
    rows: &[usize],
) -> Result<()> {
    let ours = states(student, &pairs.iter().map(|pair| pair.from).collect::<Vec<_>>(), tokens, rows)?;
    let teachers = pairs.first().map_or(0, |pair| pair.to.len());
    let mut theirs = Vec::with_capacity(teachers);
    for teacher in 0..teachers {
        let ends: Vec<usize> = pairs.iter().map(|pair| pair.to[teacher].1).collect();
        theirs.push(states(pairs[0].to[teacher].0, &ends, tokens, rows)?);
    }
    for (block, (sums, pair)) in all.iter_mut().zip(pairs).enumerate() {
        let (state, spans) = &ours[block];
        let inputs = [true, false].map(|all| with_ones(positions(state.clone(), spans, all)));
        for (gram, input) in sums.gram.iter_mut().zip(&inputs) {
            add(gram, host_values(input.clone().swap_dims(0, 1).matmul(input.clone()))?);
        }
        for (teacher, product) in sums.products.iter_mut().enumerate() {
            let (model, end) = pair.to[teacher];
            let last = is_last(model, end);
            let target = positions(theirs[teacher][block].0.clone(), spans, !last);
            let target = match &projections[block][teacher].norm {
                Some(norm) => before(norm, target)?,
                None => target,
            };
            add(product, host_values(inputs[usize::from(last)].clone().swap_dims(0, 1).matmul(target))?);
        }
    }
    Ok(())
}

/// Hidden states behind layers, with where text is.
fn states(model: &Classifier, ends: &[usize], tokens: &Tokens, rows: &[usize]) -> Result<Vec<(Tensor<3>, Spans)>> {
    let input = tokens.batch(rows, &model.config, &model.device)?;
    let taps = model.network.encoder.forward(&input, &DropoutPlan::Off, &Taps::Only(ends.to_vec())).taps;
    let found = |end: &usize| {
        let state = taps.iter().find(|(number, _)| number == end).map(|(_, state)| state.clone());
        let state = state.ok_or_else(|| Error::internal(format!("hidden state {end} was not tapped")))?;
        Ok((state, input.spans().clone()))
    };
    ends.iter().map(found).collect()
}

/// The text tokens' states `[tokens, width]`, all or the first of every text.
fn positions(states: Tensor<3>, spans: &Spans, all: bool) -> Tensor<2> {
    if !all {
        return first_tokens(states, spans);
    }
    let [batch, tokens, width] = states.dims();
    let kept = spans
        .ranges()
        .iter()
        .enumerate()
        .flat_map(|(row, range)| range.clone().map(move |token| (row * tokens + token) as i32));
    let kept: Vec<i32> = kept.collect();
    let count = kept.len();
    let kept = Tensor::<1, Int>::from_data(TensorData::new(kept, [count]), &states.device());
    states.reshape([batch * tokens, width]).select(0, kept)
}

fn with_ones(rows: Tensor<2>) -> Tensor<2> {
    let ones = Tensor::ones([rows.dims()[0], 1], &rows.device());
    Tensor::cat(vec![rows, ones], 1)
}

/// What a LayerNorm made its output from, up to what it takes away: (output - β) / γ.
fn before(norm: &LayerNorm, output: Tensor<2>) -> Result<Tensor<2>> {
    let device = output.device();
    let row = |values: Vec<f32>| {
        let count = values.len();
        Tensor::<2>::from_data(TensorData::new(values, [1, count]), &device)
    };
    let gamma = host_values(norm.gamma.val().inner())?.into_iter().map(|gamma| {
        let scale = f64::from(gamma).abs().max(LEAST_SCALE);
        (1.0 / scale.copysign(f64::from(gamma))) as f32
    });
    let beta = host_values(norm.beta.val().inner())?;
    Ok((output - row(beta)) * row(gamma.collect()))
}

fn linear(solution: &[f64], inputs: usize, model: &Classifier) -> Linear {
    let outputs = model.config.hidden_size;
    let values: Vec<f32> = solution.iter().map(|&value| value as f32).collect();
    let (weight, bias) = values.split_at(inputs * outputs);
    let device = model.device.clone().inner();
    Linear {
        weight: Param::from_tensor(Tensor::from_data(TensorData::new(weight.to_vec(), [inputs, outputs]), &device)),
        bias: Param::from_tensor(Tensor::from_data(TensorData::new(bias.to_vec(), [outputs]), &device)),
    }
}

fn add(sum: &mut [f64], values: Vec<f32>) {
    sum.iter_mut().zip(values).for_each(|(sum, value)| *sum += f64::from(value));
}
