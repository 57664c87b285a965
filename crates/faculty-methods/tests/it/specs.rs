//! Methods as configuration.

use faculty_methods::{DataAccess, MethodSpec, MukiSpec, Vote};
use faculty_nn::PassSites;
use faculty_teacher::Passes;
use serde_json::json;

fn parse(value: serde_json::Value) -> Result<MethodSpec, serde_json::Error> {
    serde_json::from_value(value)
}

#[test]
fn defaults_are_those_of_the_released_script() {
    let method = parse(json!({"kind": "muki"})).unwrap();
    let expected = MukiSpec {
        vote: Vote::Soft,
        temperature: 1.0,
        gate_temperature: 0.2,
        passes: 16,
        dropout: 0.1,
        pass_sites: PassSites::All,
        margin: true,
        normalise_margin: false,
        single_pass: false,
    };
    assert_eq!(method, MethodSpec::Muki(expected));
    let passes = Passes { count: 16, hidden_rate: Some(0.1), seed: 3, sites: PassSites::All };
    assert_eq!(method.passes(3), Some(passes));
    let stored = serde_json::to_value(&method).unwrap();
    assert!(stored.get("pass_sites").is_none(), "configurations from before the key keep their hashes");
    assert_eq!(method.describe(), "MUKI soft+margin as in the authors' code, dropout fixed, K = 16");
    assert_eq!(parse(json!({"kind": "uhc"})).unwrap(), MethodSpec::Uhc { temperature: 1.0 });
}

#[test]
fn other_dropout_sites_are_named_wherever_the_method_is() {
    for (text, sites, words) in [
        ("last-2", PassSites::LastLayers(2), "dropout in the last 2 layers and the head"),
        ("last-1", PassSites::LastLayers(1), "dropout in the last layer and the head"),
        ("head", PassSites::LastLayers(0), "dropout in the head alone"),
    ] {
        let method = parse(json!({"kind": "muki", "pass_sites": text})).unwrap();
        assert_eq!(method.passes(1).unwrap().sites, sites);
        assert_eq!(method.describe(), format!("MUKI soft+margin, K = 16, {words} (the authors' code: everywhere)"));
        assert_eq!(serde_json::to_value(&method).unwrap()["pass_sites"], text);
    }
    for wrong in ["last-0", "last", "last--1", "tail", ""] {
        let error = parse(json!({"kind": "muki", "pass_sites": wrong})).unwrap_err().to_string();
        assert!(error.contains("all, last-N"), "{error}");
    }
}

#[test]
fn unknown_keys_and_kinds_are_refused() {
    for wrong in [json!({"kind": "mukki"}), json!({"kind": "muki", "pases": 3}), json!({"kind": "uhc", "margin": true})]
    {
        assert!(parse(wrong.clone()).is_err(), "{wrong}");
    }
}

#[test]
fn values_that_make_no_sense_are_refused_by_key() {
    for (wrong, key) in [
        (json!({"kind": "teacher", "index": 3}), "index"),
        (json!({"kind": "vanilla-kd", "temperature": 0.0}), "temperature"),
        (json!({"kind": "muki", "gate_temperature": -1.0}), "gate_temperature"),
        (json!({"kind": "muki", "passes": 0}), "passes"),
        (json!({"kind": "muki", "dropout": 1.0}), "dropout"),
    ] {
        let error = parse(wrong).unwrap().check(3).unwrap_err().to_string();
        assert!(error.contains(key), "{error}");
    }
}

#[test]
fn only_the_ceiling_and_the_oracle_read_labels() {
    for (kind, access) in [
        (json!({"kind": "supervised"}), DataAccess::Labelled),
        (json!({"kind": "oracle"}), DataAccess::Labelled),
        (json!({"kind": "gated-ensemble"}), DataAccess::Unlabelled),
        (json!({"kind": "backward-kd"}), DataAccess::Unlabelled),
        (json!({"kind": "concat"}), DataAccess::None),
        (json!({"kind": "muki"}), DataAccess::Unlabelled),
        (json!({"kind": "uniform"}), DataAccess::Unlabelled),
        (json!({"kind": "max-confidence"}), DataAccess::Unlabelled),
        (json!({"kind": "vanilla-kd"}), DataAccess::Unlabelled),
    ] {
        assert_eq!(parse(kind).unwrap().access(), access);
    }
}
