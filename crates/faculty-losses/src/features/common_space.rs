//! A space that student and teachers share, and the way back out of it.

use super::FeatureWidths;
use super::maps::TwoLayers;
use crate::join_tensors::expect;
use burn::module::Module;
use burn::tensor::{Device, Tensor, activation};
use faculty_core::{Error, Result, Stream};
use faculty_nn::Linear;

/// v = X(relu(A f)) with a linear A of each model's own and one linear-ReLU-linear X for all; g_i = dec_i(v_i) leads
/// back to the features of teacher i.
///
/// The common width c is a quarter of the student's, as in the common feature learning of zju-vipa/KamalEngine. Hidden
/// widths are not given by the sources: c inside X, the teacher's own width inside dec_i.
#[derive(Module, Debug)]
pub struct CommonSpace {
    /// A_S, `[student width, c]`.
    pub student: Linear,
    /// A_i, `[width of the teacher, c]` each.
    pub teachers: Vec<Linear>,
    /// X, c to c.
    pub extractor: TwoLayers,
    /// dec_i, c to the width of the teacher, each.
    pub decoders: Vec<TwoLayers>,
}

impl CommonSpace {
    /// Fresh maps.
    ///
    /// # Errors
    /// Fails if there is no teacher or a width is 0.
    pub fn fresh(widths: &FeatureWidths, stream: Stream, device: &Device) -> Result<Self> {
        widths.check()?;
        let common = (widths.student / 4).max(1);
        let teacher = |index: usize| stream.fork(2 + index as u64);
        let teachers = widths.teachers.iter().enumerate();
        let decoders = widths.teachers.iter().enumerate();
        Ok(Self {
            student: Linear::fresh(stream.fork(0), widths.student, common, device),
            extractor: TwoLayers::fresh(stream.fork(1), common, common, common, device),
            teachers: teachers
                .map(|(index, &width)| Linear::fresh(teacher(index).fork(0), width, common, device))
                .collect(),
            decoders: decoders
                .map(|(index, &width)| TwoLayers::fresh(teacher(index).fork(1), common, width, width, device))
                .collect(),
        })
    }

    /// Checks that the maps are those of features of these widths.
    ///
    /// # Errors
    /// Fails with the shapes found and expected.
    pub fn check(&self, widths: &FeatureWidths) -> Result<()> {
        widths.check()?;
        let [student, common] = self.student.weight.val().dims();
        expect("the student's map", [student], [widths.student])?;
        if (self.teachers.len(), self.decoders.len()) != (widths.teachers.len(), widths.teachers.len()) {
            return Err(Error::internal(format!("{} maps and {} decoders", self.teachers.len(), self.decoders.len()))
                .expected(format!("one each of {} teachers", widths.teachers.len())));
        }
        for (index, &width) in widths.teachers.iter().enumerate() {
            let decoder = &self.decoders[index];
            expect(&format!("the map of teacher {index}"), self.teachers[index].weight.val().dims(), [width, common])?;
            let (first, second) = (decoder.first.weight.val().dims(), decoder.second.weight.val().dims());
            expect(&format!("the decoder of teacher {index}"), [first[0], second[1]], [common, width])?;
        }
        Ok(())
    }

    /// The student's features in the common space, `[texts, c]`.
    pub fn of_student(&self, features: Tensor<2>) -> Tensor<2> {
        self.extractor.forward(activation::relu(self.student.forward_rows(features)))
    }

    /// Each teacher's features in the common space, `[texts, c]` each. The features are constants.
    pub fn of_teachers(&self, features: &[Tensor<2>]) -> Vec<Tensor<2>> {
        let maps = self.teachers.iter().zip(features);
        maps.map(|(map, features)| self.extractor.forward(activation::relu(map.forward_rows(features.clone().inner()))))
            .collect()
    }

    /// The differences between each teacher's features and what `codes` of the common space are decoded to,
    /// `[texts, width of the teacher]` each.
    pub fn residuals(&self, codes: &[Tensor<2>], features: &[Tensor<2>]) -> Vec<Tensor<2>> {
        let decoders = self.decoders.iter().zip(codes).zip(features);
        decoders.map(|((decoder, codes), features)| decoder.forward(codes.clone()) - features.clone().inner()).collect()
    }
}
