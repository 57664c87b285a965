//! How far teachers see a text alike.

use crate::features::unit_rows;
use burn::tensor::Tensor;

/// 1 - |cos(b_i, b_j)|, mean over all pairs of teachers, of every text, `[batch]`, from views `[batch, width]` of one width; 0 for
/// a single teacher.
///
/// The term of OOD-KA ("Amalgamating Knowledge in the Wild", zju-vipa/KamalEngine), which compares channel maps of two
/// teachers; here it compares the pooled views of any number (Faculty's text form).
pub fn teacher_agreement(views: &[Tensor<2>]) -> Option<Tensor<1>> {
    let units: Vec<Tensor<2>> = views.iter().map(|view| unit_rows(view.clone())).collect();
    let mut apart: Option<Tensor<1>> = None;
    let mut pairs = 0;
    for (index, one) in units.iter().enumerate() {
        for other in &units[index + 1..] {
            let cosine: Tensor<1> = (one.clone() * other.clone()).sum_dim(1).squeeze_dim(1);
            let term = cosine.abs().neg().add_scalar(1.0);
            pairs += 1;
            apart = Some(match apart {
                Some(sum) => sum + term,
                None => term,
            });
        }
    }
    match apart {
        Some(sum) => Some(sum.div_scalar(f64::from(pairs))),
        None => views.first().map(|view| Tensor::zeros([view.dims()[0]], &view.device())),
    }
}
