//! Losses as configuration.

use faculty_losses::{GatedKl, LossSpec, MeanLogits, Relation, SelfWeighting, SmoothedTop1, Uhc, VanillaKd, Voting};

#[test]
fn a_loss_is_named_by_its_kind() {
    let relation = Relation { temperature: 1.0, distance_weight: 1.0, angle_weight: 2.0, minimum_gate_product: 0.05 };
    let specs = [
        (r#"{"kind": "gated-kl", "temperature": 2.0}"#, LossSpec::GatedKl(GatedKl { temperature: 2.0 }), "gated-kl"),
        (r#"{"kind": "vanilla-kd"}"#, LossSpec::VanillaKd(VanillaKd { temperature: 1.0 }), "vanilla-kd"),
        (r#"{"kind": "uhc"}"#, LossSpec::Uhc(Uhc { temperature: 1.0 }), "uhc"),
        (r#"{"kind": "mean-logits"}"#, LossSpec::MeanLogits(MeanLogits { temperature: 4.0 }), "mean-logits"),
        (r#"{"kind": "relation", "angle_weight": 2.0}"#, LossSpec::Relation(relation), "relation"),
        (
            r#"{"kind": "voting", "uniform_share": 0.3}"#,
            LossSpec::Voting(Voting { temperature: 1.0, uniform_share: 0.3 }),
            "voting",
        ),
        (
            r#"{"kind": "self-weighting"}"#,
            LossSpec::SelfWeighting(SelfWeighting { temperature: 1.0, student_share: 1.0 }),
            "self-weighting",
        ),
        (
            r#"{"kind": "smoothed-top1"}"#,
            LossSpec::SmoothedTop1(SmoothedTop1 { temperature: 1.0, smoothing: 0.1 }),
            "smoothed-top1",
        ),
    ];
    for (text, expected, name) in specs {
        let spec: LossSpec = serde_json::from_str(text).unwrap();
        assert_eq!(spec, expected);
        assert_eq!(spec.build().unwrap().name(), name);
        let back: LossSpec = serde_json::from_str(&serde_json::to_string(&spec).unwrap()).unwrap();
        assert_eq!(back, spec);
    }
}

#[test]
fn unknown_keys_and_kinds_are_refused() {
    let error = serde_json::from_str::<LossSpec>(r#"{"kind": "uhc", "temprature": 2.0}"#).unwrap_err().to_string();
    assert!(error.contains("temprature"), "{error}");
    let error = serde_json::from_str::<LossSpec>(r#"{"kind": "mse"}"#).unwrap_err().to_string();
    assert!(error.contains("gated-kl"), "{error}");
}

#[test]
fn temperatures_that_no_softmax_can_be_divided_by_are_refused() {
    for temperature in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        let specs = [
            LossSpec::GatedKl(GatedKl { temperature }),
            LossSpec::Relation(Relation { temperature, ..Relation::default() }),
            LossSpec::Voting(Voting { temperature, ..Voting::default() }),
        ];
        for spec in specs {
            let error = spec.build().unwrap_err();
            assert_eq!(error.exit_code(), 2);
            assert!(error.to_string().contains("temperature"), "{error}");
        }
    }
}

#[test]
fn settings_out_of_range_are_refused_by_name() {
    let wrong = [
        (LossSpec::Voting(Voting { uniform_share: 1.5, ..Voting::default() }), "uniform_share"),
        (LossSpec::SelfWeighting(SelfWeighting { student_share: -0.1, ..SelfWeighting::default() }), "student_share"),
        (LossSpec::SmoothedTop1(SmoothedTop1 { smoothing: f64::NAN, ..SmoothedTop1::default() }), "smoothing"),
        (LossSpec::Relation(Relation { distance_weight: -1.0, ..Relation::default() }), "distance_weight"),
        (LossSpec::Relation(Relation { angle_weight: f64::INFINITY, ..Relation::default() }), "angle_weight"),
        (LossSpec::Relation(Relation { minimum_gate_product: -0.05, ..Relation::default() }), "minimum_gate_product"),
    ];
    for (spec, key) in wrong {
        let error = spec.build().unwrap_err();
        assert_eq!(error.exit_code(), 2);
        assert!(error.to_string().contains(key), "{error}");
    }
}
