//! From a student's word embeddings to a teacher's of the same vocabulary.

use burn::tensor::{Tensor, TensorData};
use faculty_core::{Cholesky, Error, Result};
use faculty_model::Classifier;
use faculty_nn::host_values;

/// A linear map between the word tables of two models that share a vocabulary: Q = argmin ‖E_T - E_S Qᵀ‖²_F.
#[derive(Debug, Clone)]
pub struct EmbeddingMap {
    /// Qᵀ, `[student width, teacher width]`; `None` is the identity, where the tables are equal.
    matrix: Option<Tensor<2>>,
    residual: f64,
}

/// Rows whose products are formed together in f32 before f64 sums them.
const ROWS: usize = 2048;

/// Ridge over mean diagonal element, for tables that do not span their width.
const RIDGE: f64 = 1e-8;

impl EmbeddingMap {
    /// Fits the map over the tokens of the vocabulary.
    ///
    /// # Errors
    /// Fails if the device cannot deliver the tables.
    pub fn fit(student: &Classifier, teacher: &Classifier) -> Result<Self> {
        let (ours, theirs) = (table(student), table(teacher));
        if ours.dims() == theirs.dims() && host_values(ours.clone())? == host_values(theirs.clone())? {
            return Ok(Self { matrix: None, residual: 0.0 });
        }
        Self::of_tables(ours, theirs)
    }

    /// Fits the map over two tables with a row a token, `[tokens, student width]` and `[tokens, teacher width]`.
    ///
    /// # Errors
    /// Fails if the tables have no row, or not equally many.
    pub fn of_tables(student: Tensor<2>, teacher: Tensor<2>) -> Result<Self> {
        let ([rows, from], [others, to]) = (student.dims(), teacher.dims());
        if rows != others || rows == 0 {
            return Err(Error::internal(format!("word tables of {rows} and {others} rows")));
        }
        let (mut gram, mut product) = (vec![0.0; from * from], vec![0.0; from * to]);
        let mut square = 0.0;
        for first in (0..rows).step_by(ROWS) {
            let count = ROWS.min(rows - first);
            let (ours, theirs) = (student.clone().narrow(0, first, count), teacher.clone().narrow(0, first, count));
            let transposed = ours.clone().swap_dims(0, 1);
            add(&mut gram, host_values(transposed.clone().matmul(ours))?);
            add(&mut product, host_values(transposed.matmul(theirs.clone()))?);
            square += host_values(theirs)?.iter().map(|value| f64::from(*value).powi(2)).sum::<f64>();
        }
        Cholesky::ridged(gram, from, RIDGE)?.0.solve(&mut product)?;
        let matrix: Vec<f32> = product.into_iter().map(|value| value as f32).collect();
        let matrix = Tensor::from_data(TensorData::new(matrix, [from, to]), &student.device());
        let apart = host_values(student.matmul(matrix.clone()) - teacher)?;
        let apart: f64 = apart.iter().map(|value| f64::from(*value).powi(2)).sum();
        let residual = if square > 0.0 { (apart / square).sqrt() } else { 0.0 };
        Ok(Self { matrix: Some(matrix), residual })
    }

    /// ‖E_T - E_S Qᵀ‖ / ‖E_T‖: the share of the teacher's table that the map does not explain.
    pub fn residual(&self) -> f64 {
        self.residual
    }

    /// Qᵀ, `[student width, teacher width]`; `None` for the identity.
    pub fn matrix(&self) -> Option<&Tensor<2>> {
        self.matrix.as_ref()
    }

    /// `[batch, tokens, student width]` to `[batch, tokens, teacher width]`. A gradient passes through.
    pub fn apply(&self, words: Tensor<3>) -> Tensor<3> {
        let Some(matrix) = &self.matrix else { return words };
        let ([batch, tokens, width], [_, to]) = (words.dims(), matrix.dims());
        words.reshape([batch * tokens, width]).matmul(matrix.clone()).reshape([batch, tokens, to])
    }
}

/// The mean norm of a model's word embeddings, over the tokens of its vocabulary.
pub(super) fn mean_norm(model: &Classifier) -> Result<f64> {
    let table = table(model);
    let [rows, _] = table.dims();
    let norms = host_values((table.clone() * table).sum_dim(1).sqrt())?;
    Ok(norms.iter().map(|norm| f64::from(*norm)).sum::<f64>() / rows.max(1) as f64)
}

/// The word embeddings of the tokens that exist; a table may be padded with rows that none has.
fn table(model: &Classifier) -> Tensor<2> {
    let words = model.network.encoder.embeddings.words.val().inner();
    let rows = words.dims()[0].min(model.tokenizer.vocab_size());
    words.narrow(0, 0, rows)
}

fn add(sum: &mut [f64], values: Vec<f32>) {
    sum.iter_mut().zip(values).for_each(|(sum, value)| *sum += f64::from(value));
}
