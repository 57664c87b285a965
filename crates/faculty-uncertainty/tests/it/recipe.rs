//! Score, normalisation, gate, margin and cap as one configuration.

use crate::support::{World, cloud, matrix, seeing, values};
use burn::tensor::{Device, Tensor};
use faculty_core::metrics::gate_quality;
use faculty_nn::{FeatureSite, PassSummary, TeacherView};
use faculty_testkit::assert_close;
use faculty_uncertainty::{
    CalibratedGate, ClaimSpec, ClaimThreshold, Confidence, ConfidenceSpec, Energy, GateRecipe, GateSpec, Mahalanobis,
    MaxSoftmax, OwnerStatistics, OwnerSummary, SinglePassEntropy, SummarySettings, hard_gate, margin_weights,
    merged_scores, normalised_margin, soft_gate, z_normalise,
};

const NO_OWNERS: OwnerStatistics<'static> = OwnerStatistics { summaries: &[], ratios: &[] };

/// Two teachers of 2 and 3 classes on 40 texts.
fn views() -> Vec<TeacherView> {
    [2, 3].map(|classes| TeacherView::from_logits(matrix(&cloud(40, classes, 0.0, classes as u64), classes))).to_vec()
}

fn single_pass(gate: GateSpec) -> GateRecipe {
    GateRecipe { score: ConfidenceSpec::SinglePassEntropy(SinglePassEntropy::default()), gate, ..GateRecipe::default() }
}

fn equal(a: Tensor<2>, b: Tensor<2>) {
    assert_eq!(values(a), values(b));
}

#[test]
fn a_recipe_is_the_chain_of_its_parts() {
    let views = views();
    let entropy = SinglePassEntropy::default().score(&views).unwrap();
    let soft = GateSpec::Soft { temperature: 0.2 };
    let found = single_pass(soft).apply(&views, NO_OWNERS).unwrap();
    equal(found.scores, entropy.clone());
    equal(found.weights, soft_gate(entropy.clone(), 0.2).unwrap());
    assert!(found.sample_weights.is_none() && found.claims.is_none() && found.calibration.is_none());

    let z = z_normalise(entropy.clone()).unwrap();
    let recipe = GateRecipe { z_normalise: true, margin: true, ..single_pass(GateSpec::Hard {}) };
    let found = recipe.apply(&views, NO_OWNERS).unwrap();
    equal(found.weights, hard_gate(z.clone()));
    assert_eq!(values(found.sample_weights.unwrap()), values(margin_weights(z.clone())));
    let recipe = GateRecipe { normalise_margin: true, ..recipe };
    let found = recipe.apply(&views, NO_OWNERS).unwrap();
    assert_eq!(values(found.sample_weights.unwrap()), values(normalised_margin(margin_weights(z))));

    let energy = GateRecipe { score: ConfidenceSpec::Energy(Energy {}), z_normalise: true, ..single_pass(soft) };
    let scores = z_normalise(Energy {}.score(&views).unwrap()).unwrap();
    equal(energy.apply(&views, NO_OWNERS).unwrap().scores, scores);
}

#[test]
fn z_normalisation_takes_back_the_bias_towards_teachers_with_many_classes() {
    // Both teachers know their texts equally well: the top probability is 0.9 on own texts and 0.8 on foreign ones.
    let rows = |classes: usize, own: usize| -> Vec<f32> {
        let mut logits = Vec::new();
        for text in 0..40 {
            let top = if text % 2 == own { 0.9_f32 } else { 0.8 };
            logits.push(top.ln());
            logits.extend(vec![((1.0 - top) / (classes - 1) as f32).ln(); classes - 1]);
        }
        logits
    };
    let views = [TeacherView::from_logits(matrix(&rows(2, 0), 2)), TeacherView::from_logits(matrix(&rows(14, 1), 14))];
    let owner_share = |recipe: GateRecipe| {
        let weights = values(recipe.apply(&views, NO_OWNERS).unwrap().weights);
        weights.chunks(2).enumerate().filter(|(text, row)| row[text % 2] > 0.5).count()
    };
    assert_eq!(owner_share(single_pass(GateSpec::Hard {})), 20, "the teacher of 14 classes takes them all");
    assert_eq!(owner_share(GateRecipe { z_normalise: true, ..single_pass(GateSpec::Hard {}) }), 40);
    assert_eq!(owner_share(single_pass(GateSpec::Calibrated(CalibratedGate::default()))), 40);
}

#[test]
fn a_uniform_gate_asks_for_no_score() {
    let recipe = GateRecipe { gate: GateSpec::Uniform {}, ..GateRecipe::default() };
    assert!(!recipe.needs_passes() && GateRecipe::default().needs_passes());
    let found = recipe.apply(&views(), NO_OWNERS).unwrap();
    assert_eq!(values(found.weights), [0.5; 80]);
    assert_eq!(values(found.scores), [0.5; 80]);
}

#[test]
fn claims_drop_texts_through_their_sample_weight_and_margins_multiply_it() {
    let views = views();
    let gate = GateSpec::Claim(ClaimSpec { threshold: ClaimThreshold::TransferMean, ambiguity: None });
    let found = single_pass(gate).apply(&views, NO_OWNERS).unwrap();
    let (weights, kept) = (values(found.weights), values(found.sample_weights.unwrap()));
    for (row, kept) in weights.chunks(2).zip(&kept) {
        assert_close(&[row.iter().sum::<f32>()], &[f64::from(*kept)], 1e-6, 0.0, "sum of a row");
    }
    let claims = found.claims.unwrap();
    let quality = gate_quality(&weights, 2).unwrap();
    assert!(claims.dropped > 0.0 && (claims.dropped - quality.abstained).abs() < 1e-12, "{claims:?}, {quality:?}");
    assert_eq!(claims.claimed, quality.claimed);

    let with_margin = GateRecipe { margin: true, ..single_pass(gate) }.apply(&views, NO_OWNERS).unwrap();
    let margins = values(margin_weights(with_margin.scores));
    let expected: Vec<f64> = margins.iter().zip(&kept).map(|(margin, kept)| f64::from(margin * kept)).collect();
    assert_close(&values(with_margin.sample_weights.unwrap()), &expected, 1e-7, 0.0, "sample weights");
}

#[test]
fn owners_quartiles_and_means_reach_the_gate() {
    let labels: Vec<usize> = (0..200).map(|text| text % 2).collect();
    let summaries: Vec<OwnerSummary> = [1, 2]
        .map(|seed| {
            let own = cloud(200, 5, 0.0, seed);
            OwnerSummary::fit(&own, 5, &labels, FeatureSite::default(), SummarySettings::default()).unwrap()
        })
        .to_vec();
    let owners = OwnerStatistics { summaries: &summaries, ratios: &[] };
    // 100 texts of owner 0, 100 of owner 1, 100 of nobody.
    let view = |own: usize, seed| {
        let part = |who: usize| cloud(100, 5, if who == own { 0.0 } else { 6.0 }, seed + who as u64);
        seeing(&[part(0), part(1), part(2)].concat(), 5)
    };
    let views = [view(0, 10), view(1, 20)];
    let gate = GateSpec::Claim(ClaimSpec { threshold: ClaimThreshold::OwnerQuartile, ambiguity: None });
    for standardise in [true, false] {
        let score = ConfidenceSpec::Mahalanobis(Mahalanobis { standardise });
        let recipe = GateRecipe { score, gate, ..GateRecipe::default() };
        assert!(recipe.needs_features() && !recipe.needs_passes());
        let claims = recipe.apply(&views, owners).unwrap().claims.unwrap();
        // A third of the texts is nobody's, and a quarter of the own ones stays below the quartile.
        assert!(claims.claimed.iter().all(|claimed| (claimed - 0.25).abs() < 0.06), "{claims:?}");
        assert!((claims.dropped - 0.5).abs() < 0.1, "{claims:?}");
    }
    let recipe = GateRecipe {
        score: ConfidenceSpec::Mahalanobis(Mahalanobis::default()),
        gate: GateSpec::Calibrated(CalibratedGate { nobody: true, ..CalibratedGate::default() }),
        ..GateRecipe::default()
    };
    let found = recipe.apply(&views, owners).unwrap();
    let (weights, kept) = (values(found.weights), values(found.sample_weights.unwrap()));
    assert!(weights[..200].chunks(2).all(|row| row[0] > 0.5) && weights[200..400].chunks(2).all(|row| row[1] > 0.5));
    assert!(kept[..200].iter().sum::<f32>() > 180.0 && kept[200..].iter().sum::<f32>() < 20.0);
    let calibration = found.calibration.unwrap();
    assert!((calibration.nobody - 1.0 / 3.0).abs() < 0.1, "{calibration:?}");
}

#[test]
fn a_cap_holds_for_every_gate() {
    let world = World::new(400, &[0.9, 0.1], 1.5, 0.0, 1);
    let scores: Vec<f32> = world.scores.iter().map(|score| 1.0 / (1.0 + (-*score as f32).exp())).collect();
    // Logits whose largest probability is the score.
    let view = |teacher: usize| {
        let logits: Vec<f32> =
            scores.chunks(2).flat_map(|row| [(row[teacher] / (1.0 - row[teacher])).ln(), 0.0]).collect();
        TeacherView::from_logits(matrix(&logits, 2))
    };
    let views = [view(0), view(1)];
    for gate in
        [GateSpec::Soft { temperature: 0.2 }, GateSpec::Hard {}, GateSpec::Calibrated(CalibratedGate::default())]
    {
        let recipe = GateRecipe { score: ConfidenceSpec::MaxSoftmax(MaxSoftmax {}), gate, ..GateRecipe::default() };
        let free = gate_quality(&values(recipe.apply(&views, NO_OWNERS).unwrap().weights), 2).unwrap();
        let capped = GateRecipe { cap: Some(0.5), ..recipe }.apply(&views, NO_OWNERS).unwrap();
        let capped = gate_quality(&values(capped.weights), 2).unwrap();
        assert!(free.mean_weights[0] > 0.55, "{gate:?}: {free:?}");
        assert!((capped.mean_weights[0] - 0.5).abs() < 1e-4, "{gate:?}: {capped:?}");
    }
}

#[test]
fn one_teacher_is_plain_distillation_under_every_gate_that_keeps_it() {
    let views = &views()[..1];
    for gate in [
        GateSpec::Soft { temperature: 0.2 },
        GateSpec::Hard {},
        GateSpec::Uniform {},
        GateSpec::Calibrated(CalibratedGate::default()),
    ] {
        let found = single_pass(gate).apply(views, NO_OWNERS).unwrap();
        assert_eq!(values(found.weights), [1.0; 40], "{gate:?}");
        assert!(found.sample_weights.is_none());
    }
}

#[test]
fn the_order_of_teachers_changes_nothing_but_the_order() {
    let views = views();
    let turned = [views[1].clone(), views[0].clone()];
    for gate in
        [GateSpec::default(), GateSpec::Claim(ClaimSpec::default()), GateSpec::Calibrated(CalibratedGate::default())]
    {
        let plain = values(single_pass(gate).apply(&views, NO_OWNERS).unwrap().weights);
        let other = values(single_pass(gate).apply(&turned, NO_OWNERS).unwrap().weights);
        for (a, b) in plain.chunks(2).zip(other.chunks(2)) {
            assert_close(a, &[f64::from(b[1]), f64::from(b[0])], 2e-3, 0.0, "weights");
        }
    }
}

#[test]
fn a_recipe_is_named_in_a_configuration() {
    let text = r#"{"score": {"kind": "relative-mahalanobis", "background": "transfer"}, "z_normalise": true,
        "gate": {"kind": "claim", "threshold": "transfer-mean", "ambiguity": 0.8}, "cap": 0.5}"#;
    let recipe: GateRecipe = serde_json::from_str(text).unwrap();
    recipe.check(2).unwrap();
    let back: GateRecipe = serde_json::from_str(&serde_json::to_string(&recipe).unwrap()).unwrap();
    assert_eq!(back, recipe);
    assert_eq!(serde_json::from_str::<GateRecipe>("{}").unwrap(), GateRecipe::default());
    for wrong in [
        r#"{"gates": {"kind": "hard"}}"#,
        r#"{"gate": {"kind": "claim", "treshold": "transfer-mean"}}"#,
        r#"{"gate": {"kind": "calibrated", "logits": true}}"#,
        r#"{"score": {"kind": "mahalanobis", "standardize": true}}"#,
    ] {
        assert!(serde_json::from_str::<GateRecipe>(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn settings_that_contradict_each_other_are_refused_by_key() {
    let quartile = GateSpec::Claim(ClaimSpec { threshold: ClaimThreshold::OwnerQuartile, ambiguity: None });
    let vague = GateSpec::Claim(ClaimSpec { ambiguity: Some(0.0), ..ClaimSpec::default() });
    let base = GateRecipe::default();
    for (recipe, key) in [
        (GateRecipe { gate: GateSpec::Soft { temperature: 0.0 }, ..base }, "temperature"),
        (GateRecipe { gate: GateSpec::Uniform {}, margin: true, ..base }, "margin"),
        (GateRecipe { gate: quartile, z_normalise: true, ..base }, "z_normalise"),
        (GateRecipe { gate: vague, ..base }, "ambiguity"),
        (
            GateRecipe { gate: GateSpec::Calibrated(CalibratedGate::default()), z_normalise: true, ..base },
            "z_normalise",
        ),
        (GateRecipe { normalise_margin: true, ..base }, "normalise_margin"),
        (GateRecipe { cap: Some(0.2), ..base }, "cap"),
    ] {
        let error = recipe.check(2).unwrap_err();
        assert_eq!(error.exit_code(), 2);
        assert!(error.to_string().contains(&format!("key `{key}`")), "{error}");
        assert!(recipe.apply(&views(), NO_OWNERS).is_err());
    }
}

#[test]
fn monte_carlo_scores_go_through_a_recipe_as_they_are() {
    let mut views = views();
    for view in &mut views {
        let unused = Tensor::zeros([40], &Device::flex());
        let mean_probabilities = burn::tensor::activation::softmax(view.logits.clone(), 1);
        view.passes = Some(PassSummary { mean_probabilities, mean_entropy: unused.clone(), variance: unused });
    }
    let found = GateRecipe::default().apply(&views, NO_OWNERS).unwrap();
    let single = single_pass(GateSpec::default()).apply(&views, NO_OWNERS).unwrap();
    let expected: Vec<f64> = values(single.weights).into_iter().map(f64::from).collect();
    assert_close(&values(found.weights), &expected, 1e-5, 0.0, "passes that agree are the single pass");
}

#[test]
fn the_mean_of_the_weights_is_heard_with_its_share() {
    let views = views();
    let merged: Vec<TeacherView> =
        [2, 3].map(|classes| TeacherView::from_logits(matrix(&cloud(40, classes, 1.0, 9), classes))).to_vec();
    let soft = GateSpec::Soft { temperature: 0.5 };
    let own = z_normalise(SinglePassEntropy::default().score(&views).unwrap()).unwrap();
    let beside = z_normalise(Energy {}.score(&merged).unwrap()).unwrap();
    equal(merged_scores(&merged).unwrap(), beside.clone());
    for z_normalise in [true, false] {
        let recipe = GateRecipe { z_normalise, merged_share: 0.75, ..single_pass(soft) };
        let found = recipe.apply_beside(&views, Some(&merged), NO_OWNERS).unwrap();
        let blend = own.clone() * 0.25 + beside.clone() * 0.75;
        equal(found.scores, blend.clone());
        equal(found.weights, soft_gate(blend, 0.5).unwrap());
        // Teachers that cannot be merged: their own scores are all there is.
        let alone = GateRecipe { merged_share: 0.0, ..recipe };
        equal(recipe.apply(&views, NO_OWNERS).unwrap().weights, alone.apply(&views, NO_OWNERS).unwrap().weights);
        equal(
            alone.apply_beside(&views, Some(&merged), NO_OWNERS).unwrap().weights,
            alone.apply(&views, NO_OWNERS).unwrap().weights,
        );
    }
    let recipe = GateRecipe { merged_share: 0.75, ..single_pass(soft) };
    let error = recipe.apply_beside(&views, Some(&merged[..1]), NO_OWNERS).unwrap_err().to_string();
    assert!(error.contains("[40, 1]"), "{error}");
}

#[test]
fn a_share_of_the_mean_of_the_weights_has_a_range_and_no_quartiles() {
    let of = |merged_share, gate| GateRecipe { merged_share, ..single_pass(gate) }.check(2).unwrap_err().to_string();
    for share in [-0.1, 1.1, f64::NAN] {
        let error = of(share, GateSpec::Hard {});
        assert!(error.contains("merged_share") && error.contains("0 to 1"), "{error}");
    }
    let quartile = ClaimSpec { threshold: ClaimThreshold::OwnerQuartile, ..ClaimSpec::default() };
    let error = of(0.5, GateSpec::Claim(quartile));
    assert!(error.contains("merged_share") && error.contains("transfer-mean"), "{error}");
    assert!(!GateRecipe { merged_share: 0.5, ..single_pass(GateSpec::Uniform {}) }.needs_merged());
}

#[test]
fn what_owners_measured_does_not_calibrate_a_blend() {
    let labels: Vec<usize> = (0..200).map(|text| text % 2).collect();
    let fit = |seed| {
        let own = cloud(200, 5, 0.0, seed);
        OwnerSummary::fit(&own, 5, &labels, FeatureSite::default(), SummarySettings::default()).unwrap()
    };
    let summaries = [fit(1), fit(2)];
    let owners = OwnerStatistics { summaries: &summaries, ratios: &[] };
    let view = |own: usize, seed| {
        let part = |who: usize| cloud(100, 5, if who == own { 0.0 } else { 6.0 }, seed + who as u64);
        seeing(&[part(0), part(1)].concat(), 5)
    };
    let views = [view(0, 10), view(1, 20)];
    // Heads on the mean of the weights answer loudest on their own texts, on a scale of their own.
    let head = |own: usize| {
        let wobble = cloud(200, 1, 0.0, 30 + own as u64);
        let logits: Vec<f32> =
            (0..200).map(|text| 40.0 + wobble[text] + if text / 100 == own { 9.0 } else { 0.0 }).collect();
        TeacherView::from_logits(matrix(&logits, 1))
    };
    let recipe = GateRecipe {
        score: ConfidenceSpec::Mahalanobis(Mahalanobis::default()),
        merged_share: 0.7,
        gate: GateSpec::Calibrated(CalibratedGate { own_weight: 10.0, ..CalibratedGate::default() }),
        ..GateRecipe::default()
    };
    let weights = values(recipe.apply_beside(&views, Some(&[head(0), head(1)]), owners).unwrap().weights);
    for (text, row) in weights.chunks_exact(2).enumerate() {
        assert!(row[text / 100] > 0.9, "text {text}: {row:?}");
    }
}
