//! How out-of-scope texts are told from the others: by what a row answers, by its gate, by the teachers' scores alone.

use super::Prepared;
use super::scan::Scan;
use super::texts::TASK;
use crate::raw::{GateKind, GateOutOfScope, OutOfScope, ScoreSeparation, ScoreStudy, StudiedScore};
use crate::schema::SelectionOn;
use burn::tensor::Device;
use faculty_core::metrics::{Separation, entropy, gate_quality, log_sum_exp, separation, softmax};
use faculty_core::{LabelJoin, Result};
use faculty_methods::{Recipe, TransferSet, gate_table};
use faculty_nn::{TeacherView, host_values};
use faculty_teacher::TeacherOutputs;
use faculty_uncertainty::{
    ConfidenceSpec, Energy, GateSpec, KulsifRatio, Mahalanobis, Margin, MaxSoftmax, McEntropy, OwnerStatistics,
    RelativeMahalanobis, SinglePassEntropy, z_normalise,
};

/// What a classifier answers, row-major over the classes.
#[derive(Clone, Copy)]
pub(super) enum Answer<'a> {
    /// Logits.
    Logits(&'a [f32]),
    /// Probabilities: a teacher alone, whose logits say nothing of foreign classes.
    Probabilities(&'a [f32]),
}

impl Answer<'_> {
    /// Largest probability, negated entropy and, of logits, energy: one value a text each.
    fn scores(self, classes: usize) -> Vec<(&'static str, Vec<f64>)> {
        let rows = |values: &[f32], score: &dyn Fn(&[f32]) -> f64| values.chunks_exact(classes).map(score).collect();
        match self {
            Self::Logits(logits) => vec![
                ("max-softmax", rows(logits, &|row| largest(&softmax(row)))),
                ("entropy", rows(logits, &|row| -entropy(&softmax(row)))),
                ("energy", rows(logits, &log_sum_exp::<f32>)),
            ],
            Self::Probabilities(values) => vec![
                ("max-softmax", rows(values, &|row| largest(row))),
                ("entropy", rows(values, &|row| -entropy(row))),
            ],
        }
    }
}

fn largest<T: Into<f64> + Copy>(values: &[T]) -> f64 {
    values.iter().map(|&value| value.into()).fold(f64::NEG_INFINITY, f64::max)
}

/// How a row's own answers tell the measuring texts from those out of scope.
pub(super) fn of_answers(inside: Answer<'_>, outside: Answer<'_>, classes: usize) -> Result<OutOfScope> {
    let (inside, outside) = (inside.scores(classes), outside.scores(classes));
    let mean = |scores: &[(&str, Vec<f64>)]| {
        scores.first().map_or(0.0, |(_, values)| values.iter().sum::<f64>() / values.len().max(1) as f64)
    };
    let (confidence_inside, confidence_outside) = (mean(&inside), mean(&outside));
    let answers = inside.iter().zip(&outside).map(|((score, inside), (_, outside))| {
        Ok(ScoreSeparation { score: (*score).to_owned(), separation: separation(inside, outside)? })
    });
    Ok(OutOfScope { answers: answers.collect::<Result<_>>()?, confidence_inside, confidence_outside, gate: None })
}

/// Outputs for texts in scope, then for those out of scope, as one collection.
pub(super) fn together(inside: &[TeacherOutputs], outside: &[TeacherOutputs]) -> Result<Vec<TeacherOutputs>> {
    inside.iter().zip(outside).map(|(inside, outside)| inside.followed_by(outside)).collect()
}

/// What a gate gives both kinds, the first `texts` of `set` being those in scope; nothing of one that does not look at its
/// teachers.
pub(super) fn of_gate(
    recipe: &Recipe,
    set: &TransferSet<'_>,
    texts: usize,
    owners: OwnerStatistics<'_>,
    device: &Device,
) -> Result<Option<GateOutOfScope>> {
    if recipe.gate().is_none_or(|gate| matches!(gate.gate, GateSpec::Uniform {})) {
        return Ok(None);
    }
    let table = gate_table(recipe, set, owners, device)?;
    let teachers = table.teachers;
    let by_largest = |values: &[f32]| -> Result<Separation> {
        let largest: Vec<f64> = values.chunks_exact(teachers).map(largest).collect();
        let (inside, outside) = largest.split_at(texts);
        separation(inside, outside)
    };
    let counts = table.sample_weights.map(|counts| counts.into_iter().map(f64::from).collect::<Vec<_>>());
    let kind = |weights: &[f32], counts: Option<&[f64]>| -> Result<GateKind> {
        let texts = (weights.len() / teachers).max(1) as f64;
        Ok(GateKind {
            quality: gate_quality(weights, teachers)?,
            sample_weight: counts.map_or(1.0, |counts| counts.iter().sum::<f64>() / texts),
            dropped: counts.map_or(0.0, |counts| counts.iter().filter(|count| **count == 0.0).count() as f64 / texts),
        })
    };
    let (weights_inside, weights_outside) = table.weights.split_at(texts * teachers);
    let counted = counts.as_deref().map(|counts| counts.split_at(texts));
    Ok(Some(GateOutOfScope {
        largest_score: by_largest(&table.scores)?,
        largest_weight: by_largest(&table.weights)?,
        sample_weight: counted.map(|(inside, outside)| separation(inside, outside)).transpose()?,
        inside: kind(weights_inside, counted.map(|(inside, _)| inside))?,
        outside: kind(weights_outside, counted.map(|(_, outside)| outside))?,
    }))
}

/// Every score that the scan allows, without a gate; nothing without out-of-scope texts.
pub(super) fn study(prepared: &Prepared, scan: &Scan, join: &LabelJoin, device: &Device) -> Result<Option<ScoreStudy>> {
    let Some(answers) = scan.answers.first().filter(|answers| !answers.out_of_scope.is_empty()) else {
        return Ok(None);
    };
    let (inside, labels) = match prepared.experiment.scan.selection_on {
        SelectionOn::Test => (answers.test.clone(), &prepared.data.test.labels),
        SelectionOn::Transfer => {
            let labelled: Vec<usize> = (0..prepared.data.transfer.len()).collect();
            let outputs = answers.transfer[TASK].iter().map(|outputs| outputs.select(&labelled)).collect();
            (outputs, &prepared.data.transfer.labels)
        }
    };
    let outputs = together(&inside, &answers.out_of_scope)?;
    let views: Vec<TeacherView> = outputs.iter().map(|outputs| outputs.whole_view(device)).collect();
    let owners = scan.owners.statistics();
    let scores = scores(&views, owners).into_iter().map(|score| studied(score, &views, owners, labels, join));
    Ok(Some(ScoreStudy {
        inside_are: prepared.experiment.scan.selection_on.name().to_owned(),
        inside: labels.len(),
        outside: answers.out_of_scope.first().map_or(0, TeacherOutputs::len),
        scores: scores.collect::<Result<_>>()?,
    }))
}

fn scores(views: &[TeacherView], owners: OwnerStatistics<'_>) -> Vec<ConfidenceSpec> {
    let mut scores = vec![
        ConfidenceSpec::MaxSoftmax(MaxSoftmax {}),
        ConfidenceSpec::Margin(Margin {}),
        ConfidenceSpec::Energy(Energy {}),
        ConfidenceSpec::SinglePassEntropy(SinglePassEntropy::default()),
    ];
    if views.iter().all(|view| view.passes.is_some()) {
        scores.push(ConfidenceSpec::McEntropy(McEntropy::default()));
    }
    if views.iter().all(|view| view.features.is_some()) && !owners.summaries.is_empty() {
        scores.push(ConfidenceSpec::Mahalanobis(Mahalanobis::default()));
        scores.push(ConfidenceSpec::RelativeMahalanobis(RelativeMahalanobis::default()));
        scores.push(ConfidenceSpec::KulsifRatio(KulsifRatio {}));
    }
    scores
}

/// `labels` are those of the first texts; the others are out of scope.
fn studied(
    spec: ConfidenceSpec,
    views: &[TeacherView],
    owners: OwnerStatistics<'_>,
    labels: &[usize],
    join: &LabelJoin,
) -> Result<StudiedScore> {
    let score = spec.build_with(owners);
    let scores = score.score(views)?;
    let standardised = host_values(z_normalise(scores.clone())?)?;
    let values = host_values(scores)?;
    let teachers = views.len();
    let by_largest = |values: &[f32]| {
        let largest: Vec<f64> = values.chunks_exact(teachers).map(largest).collect();
        let (inside, outside) = largest.split_at(labels.len());
        separation(inside, outside)
    };
    let column = |teacher: usize| values.iter().skip(teacher).step_by(teachers).copied().map(f64::from);
    let against = |teacher: usize, others: Vec<f64>| -> Result<Option<Separation>> {
        let knows = join.teacher(teacher).to_union();
        let own: Vec<f64> =
            column(teacher).zip(labels).filter(|(_, label)| knows.contains(label)).map(|(score, _)| score).collect();
        (!own.is_empty() && !others.is_empty()).then(|| separation(&own, &others)).transpose()
    };
    let foreign = |teacher: usize| -> Vec<f64> {
        let knows = join.teacher(teacher).to_union();
        column(teacher).zip(labels).filter(|(_, label)| !knows.contains(label)).map(|(score, _)| score).collect()
    };
    let own = (0..teachers).map(|teacher| against(teacher, column(teacher).skip(labels.len()).collect()));
    Ok(StudiedScore {
        score: score.name().to_owned(),
        largest: by_largest(&values)?,
        standardised: by_largest(&standardised)?,
        own: own.collect::<Result<_>>()?,
        foreign: (0..teachers).map(|teacher| against(teacher, foreign(teacher))).collect::<Result<_>>()?,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::{Answer, of_answers};

    #[test]
    fn answers_by_hand() {
        // Largest probabilities 0.8 and 0.5 inside, 0.5 and 0.6 outside: of four pairs two in order, one tie.
        let (inside, outside) = ([0.8, 0.2, 0.5, 0.5], [0.5, 0.5, 0.4, 0.6]);
        let found = of_answers(Answer::Probabilities(&inside), Answer::Probabilities(&outside), 2).unwrap();
        let by_confidence = found.by_confidence().unwrap();
        assert_eq!((by_confidence.auroc, by_confidence.fpr_at_95_tpr), (2.5 / 4.0, 1.0));
        assert!((found.confidence_inside - 0.65).abs() < 1e-6 && (found.confidence_outside - 0.55).abs() < 1e-6);
        assert_eq!(found.answers.len(), 2);
        assert_eq!(found.answers[1].separation.auroc, 2.5 / 4.0, "of two classes, entropy ranks as the largest does");
    }

    #[test]
    fn energy_sees_a_size_that_probabilities_do_not() {
        let (inside, outside) = ([10.0, 8.0, 12.0, 10.0], [2.0, 0.0, -1.0, -3.0]);
        let found = of_answers(Answer::Logits(&inside), Answer::Logits(&outside), 2).unwrap();
        let of = |score: &str| {
            let answer = found.answers.iter().find(|answer| answer.score == score).unwrap();
            (answer.separation.auroc, answer.separation.fpr_at_95_tpr)
        };
        assert_eq!(of("energy"), (1.0, 0.0));
        assert!((found.confidence_inside - found.confidence_outside).abs() < 1e-9, "differences of 2 everywhere");
    }
}
