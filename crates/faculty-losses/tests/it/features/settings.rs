//! Losses between hidden states as configuration.

use burn::tensor::Device;
use faculty_core::Stream;
use faculty_losses::features::{
    AlignSpec, AlignTraining, CflSettings, ContrastiveSettings, DfaSettings, FeatureWidths, MmdKernels, Trust,
};

fn widths() -> FeatureWidths {
    FeatureWidths { student: 8, teachers: vec![6, 4] }
}

#[test]
fn a_loss_is_named_by_its_kind() {
    let released = AlignTraining { as_released: true, ..AlignTraining::default() };
    let specs = [
        (
            r#"{"kind": "dfa", "training": {"as_released": true}}"#,
            AlignSpec::Dfa(DfaSettings { training: released, ..DfaSettings::default() }),
            "dfa",
        ),
        (
            r#"{"kind": "cfl", "kernels": "fixed"}"#,
            AlignSpec::Cfl(CflSettings { kernels: MmdKernels::Fixed, ..CflSettings::default() }),
            "cfl",
        ),
        (
            r#"{"kind": "contrastive", "memory": 512, "trust": "gate", "start_step": 40}"#,
            AlignSpec::Contrastive(ContrastiveSettings {
                memory: 512,
                trust: Trust::Gate,
                start_step: 40,
                ..ContrastiveSettings::default()
            }),
            "contrastive",
        ),
    ];
    for (text, expected, name) in specs {
        let spec: AlignSpec = serde_json::from_str(text).unwrap();
        assert_eq!(spec, expected);
        assert_eq!(spec.build(&widths(), Stream::new(1, "maps"), &Device::flex()).unwrap().name(), name);
        let back: AlignSpec = serde_json::from_str(&serde_json::to_string(&spec).unwrap()).unwrap();
        assert_eq!(back, spec);
    }
    let error = serde_json::from_str::<AlignSpec>(r#"{"kind": "cfl", "memory": 3}"#).unwrap_err().to_string();
    assert!(error.contains("memory"), "{error}");
}

#[test]
fn the_defaults_are_those_of_the_documentation() {
    let contrastive = ContrastiveSettings::default();
    assert_eq!((contrastive.intra_weight, contrastive.inter_weight), (0.1, 0.1));
    assert_eq!((contrastive.align_weight, contrastive.reconstruction_weight), (1.0, 1.0));
    assert_eq!((contrastive.temperature, contrastive.min_confidence, contrastive.memory), (0.1, 0.7, 2048));
    assert_eq!(AlignTraining::default().learning_rate, 1e-3);
    assert!(!AlignTraining::default().as_released);
}

#[test]
fn settings_out_of_range_are_refused_by_name() {
    let training = |learning_rate, weight_decay| AlignTraining { learning_rate, weight_decay, as_released: false };
    let contrastive = ContrastiveSettings::default();
    let wrong = [
        (AlignSpec::Dfa(DfaSettings { match_weight: -1.0, ..DfaSettings::default() }), "match_weight"),
        (AlignSpec::Dfa(DfaSettings { training: training(0.0, 0.0), ..DfaSettings::default() }), "learning_rate"),
        (AlignSpec::Cfl(CflSettings { training: training(1e-3, f64::NAN), ..CflSettings::default() }), "weight_decay"),
        (AlignSpec::Cfl(CflSettings { mmd_weight: f64::INFINITY, ..CflSettings::default() }), "mmd_weight"),
        (AlignSpec::Contrastive(ContrastiveSettings { temperature: 0.0, ..contrastive }), "temperature"),
        (AlignSpec::Contrastive(ContrastiveSettings { min_confidence: 1.2, ..contrastive }), "min_confidence"),
        (AlignSpec::Contrastive(ContrastiveSettings { intra_weight: -0.1, ..contrastive }), "intra_weight"),
    ];
    for (spec, key) in wrong {
        let error = spec.build(&widths(), Stream::new(1, "maps"), &Device::flex()).unwrap_err();
        assert_eq!(error.exit_code(), 2);
        assert!(error.to_string().contains(key), "{error}");
    }
    let nobody = FeatureWidths { student: 8, teachers: Vec::new() };
    assert!(AlignSpec::Dfa(DfaSettings::default()).build(&nobody, Stream::new(1, "maps"), &Device::flex()).is_err());
}
