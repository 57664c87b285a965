//! Losses as configuration.

use faculty_losses::{GatedKl, LossSpec, Uhc, VanillaKd};

#[test]
fn a_loss_is_named_by_its_kind() {
    let specs = [
        (r#"{"kind": "gated-kl", "temperature": 2.0}"#, LossSpec::GatedKl(GatedKl { temperature: 2.0 }), "gated-kl"),
        (r#"{"kind": "vanilla-kd"}"#, LossSpec::VanillaKd(VanillaKd { temperature: 1.0 }), "vanilla-kd"),
        (r#"{"kind": "uhc"}"#, LossSpec::Uhc(Uhc { temperature: 1.0 }), "uhc"),
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
        let error = LossSpec::GatedKl(GatedKl { temperature }).build().unwrap_err();
        assert_eq!(error.exit_code(), 2);
        assert!(error.to_string().contains("temperature"), "{error}");
    }
}
