//! Scores and gates as configuration.

use faculty_uncertainty::{CalibratedGate, ClaimSpec, ClaimThreshold, ConfidenceSpec, GateSpec, MarginSpec, McEntropy};

#[test]
fn a_score_is_named_by_its_kind() {
    for kind in ["mc-entropy", "single-pass-entropy", "max-softmax", "margin", "energy", "uniform"] {
        let spec: ConfidenceSpec = serde_json::from_str(&format!(r#"{{"kind": "{kind}"}}"#)).unwrap();
        assert_eq!(spec.build().name(), kind);
        let back: ConfidenceSpec = serde_json::from_str(&serde_json::to_string(&spec).unwrap()).unwrap();
        assert_eq!(back, spec);
    }
    let raw: ConfidenceSpec = serde_json::from_str(r#"{"kind": "mc-entropy", "normalise": false}"#).unwrap();
    assert_eq!(raw, ConfidenceSpec::McEntropy(McEntropy { normalise: false }));
    assert_eq!(ConfidenceSpec::default(), ConfidenceSpec::McEntropy(McEntropy { normalise: true }));
}

#[test]
fn a_gate_is_named_by_its_kind() {
    let soft: GateSpec = serde_json::from_str(r#"{"kind": "soft"}"#).unwrap();
    assert_eq!(soft, GateSpec::Soft { temperature: 0.2 });
    assert_eq!(serde_json::from_str::<GateSpec>(r#"{"kind": "hard"}"#).unwrap(), GateSpec::Hard {});
    assert_eq!(serde_json::from_str::<GateSpec>(r#"{"kind": "uniform"}"#).unwrap(), GateSpec::Uniform {});
    assert_eq!(serde_json::from_str::<MarginSpec>(r#""normalised""#).unwrap(), MarginSpec::Normalised);
}

#[test]
fn the_newer_scores_and_gates_are_named_by_their_kind() {
    for kind in ["mahalanobis", "relative-mahalanobis", "kulsif-ratio"] {
        let spec: ConfidenceSpec = serde_json::from_str(&format!(r#"{{"kind": "{kind}"}}"#)).unwrap();
        assert_eq!(spec.build().name(), kind);
        assert!(spec.needs_owners() && spec.needs_features() && !spec.needs_passes());
    }
    let claim: GateSpec = serde_json::from_str(r#"{"kind": "claim"}"#).unwrap();
    assert_eq!(claim, GateSpec::Claim(ClaimSpec { threshold: ClaimThreshold::TransferMean, ambiguity: Some(0.9) }));
    let calibrated: GateSpec = serde_json::from_str(r#"{"kind": "calibrated", "nobody": true}"#).unwrap();
    assert_eq!(calibrated, GateSpec::Calibrated(CalibratedGate { nobody: true, ..CalibratedGate::default() }));
}

#[test]
fn unknown_keys_are_refused() {
    for text in [
        r#"{"kind": "mc-entropy", "normalize": true}"#,
        r#"{"kind": "energy", "temperature": 1.0}"#,
        r#"{"kind": "uniform", "x": 1}"#,
    ] {
        assert!(serde_json::from_str::<ConfidenceSpec>(text).is_err(), "{text}");
    }
    for text in [r#"{"kind": "soft", "tau": 0.2}"#, r#"{"kind": "hard", "temperature": 0.2}"#] {
        assert!(serde_json::from_str::<GateSpec>(text).is_err(), "{text}");
    }
}
