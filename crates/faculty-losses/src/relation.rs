//! Relations between the texts of a batch: what a student can learn from teachers whatever their labels.

use crate::{Amalgamate, JoinTensors, LossTerms, RelationMatrices, check_temperature, claimed, relation_matrices};
use burn::tensor::Tensor;
use faculty_core::{Error, Result};
use faculty_nn::{Gate, StudentView, TeacherView};
use serde::{Deserialize, Serialize};

/// Added to the sum of gate products before it divides.
const EPSILON: f64 = 1e-8;

/// smoothL1(D_S, R_D) + smoothL1(A_S, R_A): how far apart and how alike the texts of a batch are to the student,
/// against the same for the teachers.
///
/// For a model with class distributions p, D(n, j) = JS(p(x_n), p(x_j)) / (mean of the positive entries) and A(n, j) =
/// sum_c sqrt(p(c | x_n) p(c | x_j)) ([`relation_matrices`]); D_S and A_S come from the student's distribution over the
/// union. The target of a pair is the mean over teachers by gate product, R(n, j) = sum_i w_i(x_n) w_i(x_j) M_i(n, j) /
/// (sum_i w_i(x_n) w_i(x_j) + 1e-8) with M = D or A, a constant. Pairs whose sum of gate products is below
/// `minimum_gate_product` are masked: no teacher knows both texts. Smooth-L1 (its kink at 1) is averaged over the pairs
/// that are left, a text with itself included.
///
/// The matrices are `[batch, batch]` whatever the labels, so teachers with disjoint labels give comparable ones. **The
/// loss is over pairs, not over texts**: it does not add up over micro-batches, and on batches under 32 it is noise. A
/// text that no teacher claims takes part in no pair, nor in the means that distances are divided by. Sample weights
/// are ignored.
///
/// Source: Li et al., "Distributional Correlation-Aware Knowledge Distillation for Stock Trading Volume Prediction",
/// ECML-PKDD 2022, arXiv 2208.07232, and the authors' public code, where distributions are Gaussians and both terms
/// weigh 5 beside a KL term of weight 1; class distributions, gate and mask are Faculty's.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Relation {
    /// τ, of teachers and student alike.
    pub temperature: f64,
    /// Factor of the distance term.
    pub distance_weight: f64,
    /// Factor of the angle term.
    pub angle_weight: f64,
    /// Pairs with a smaller sum of gate products are masked.
    pub minimum_gate_product: f64,
}

impl Default for Relation {
    /// Both terms as they are (beside a KL term they are usually multiplied by 1 to 5), and Faculty's mask of 0.05.
    fn default() -> Self {
        Self { temperature: 1.0, distance_weight: 1.0, angle_weight: 1.0, minimum_gate_product: 0.05 }
    }
}

impl Relation {
    /// # Errors
    /// Fails if a setting is out of range; the error names the key.
    pub fn check(&self) -> Result<()> {
        check_temperature(self.temperature)?;
        let settings = [
            ("distance_weight", self.distance_weight),
            ("angle_weight", self.angle_weight),
            ("minimum_gate_product", self.minimum_gate_product),
        ];
        for (key, value) in settings {
            if !(value.is_finite() && value >= 0.0) {
                return Err(Error::input(format!("is {value}")).key(key).expected("0 or a positive, finite number"));
            }
        }
        Ok(())
    }
}

impl Amalgamate for Relation {
    fn name(&self) -> &'static str {
        "relation"
    }

    fn loss(
        &self,
        student: &StudentView,
        teachers: &[TeacherView],
        gate: &Gate,
        join: &JoinTensors,
    ) -> Result<LossTerms> {
        self.check()?;
        let batch = join.check(student, teachers)?;
        join.check_gate(gate, batch)?;
        let claimed = claimed(gate);
        let weights = gate.weights.clone().inner();
        let zeros = Tensor::<2>::zeros([batch, batch], &weights.device());
        let (mut products, mut distance, mut angle) = (zeros.clone(), zeros.clone(), zeros);
        for (index, view) in teachers.iter().enumerate() {
            let column = weights.clone().narrow(1, index, 1);
            let product = column.clone() * column.transpose();
            let matrices = relation_matrices(view.logits.clone().inner(), self.temperature, &claimed);
            distance = distance + product.clone() * matrices.distance;
            angle = angle + product.clone() * matrices.angle;
            products = products + product;
        }
        // With a minimum of 0 every pair of claimed texts counts.
        let kept = products.clone().greater_equal_scalar(self.minimum_gate_product).float() * outer(&claimed);
        let divisor = products.add_scalar(EPSILON);
        let target = RelationMatrices { distance: distance / divisor.clone(), angle: angle / divisor };

        let own = relation_matrices(student.logits.clone(), self.temperature, &claimed);
        let distance = masked_mean(smooth_l1(own.distance - target.distance), &kept);
        let mut terms = LossTerms::new("relation_distance", self.distance_weight, distance);
        let angle = masked_mean(smooth_l1(own.angle - target.angle), &kept);
        terms.push("relation_angle", self.angle_weight, angle);
        terms.log("relation_pairs", kept.mean());
        Ok(terms)
    }
}

/// The product of every two entries, `[batch, batch]`.
pub(crate) fn outer(values: &Tensor<1>) -> Tensor<2> {
    values.clone().unsqueeze_dim::<2>(1) * values.clone().unsqueeze_dim::<2>(0)
}

/// d² / 2 below 1 and |d| - 1/2 above, element by element.
fn smooth_l1(difference: Tensor<2>) -> Tensor<2> {
    let size = difference.abs();
    let inner = size.clone().clamp_max(1.0);
    // m (|d| - m / 2) with m = min(|d|, 1) is both branches.
    inner.clone() * (size - inner.mul_scalar(0.5))
}

/// The mean over the entries where `mask` is 1, `[1]`; 0 if there are none.
fn masked_mean(values: Tensor<2>, mask: &Tensor<2>) -> Tensor<1> {
    (values * mask.clone()).sum() / mask.clone().sum().clamp_min(1.0)
}
