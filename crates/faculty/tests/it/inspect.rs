//! `faculty inspect`.

use crate::workplace::Workplace;

#[test]
fn a_model_is_described() {
    let place = Workplace::new();
    place.tiny("bank", ["balance", "pay_bill"]);
    let text = place.faculty("inspect bank").good().stdout;
    for word in ["bert", "2 layers x 32", "balance, pay_bill", "64 tokens"] {
        assert!(text.contains(word), "{word}: {text}");
    }
    let found = place.faculty("inspect bank --json").good().json();
    let model = &found["models"][0];
    assert_eq!((model["family"].as_str(), model["max_length"].as_u64()), (Some("bert"), Some(64)));
    assert_eq!(model["labels"], serde_json::json!(["balance", "pay_bill"]));
    assert_eq!(model["hash"].as_str().unwrap().len(), 64);
    assert!(found["join"].is_null());
}

#[test]
fn several_models_show_their_label_join() {
    let place = Workplace::new();
    place.tiny("bank", ["balance", "transfer"]);
    place.tiny("travel", ["flight", "transfer"]);
    let text = place.faculty("inspect bank travel").good().stdout;
    assert!(text.contains("label join") && text.contains("3 labels  union (1 shared)"), "{text}");
    let join = place.faculty("inspect bank travel --json").good().json()["join"].clone();
    assert_eq!(join["union"], serde_json::json!(["balance", "transfer", "flight"]));
    assert_eq!(join["overlaps"][0]["label"], "transfer");

    place.write("aliases.toml", "[rename.travel]\ntransfer = \"airport_transfer\"\n");
    let join = place.faculty("inspect bank travel --aliases aliases.toml --json").good().json()["join"].clone();
    assert_eq!(join["union"].as_array().unwrap().len(), 4);
}

#[test]
fn why_there_is_no_join_is_said() {
    let place = Workplace::new();
    place.tiny("one", ["LABEL_0", "LABEL_1"]);
    place.tiny("two", ["LABEL_0", "LABEL_1"]);
    let text = place.faculty("inspect one two").good().stdout;
    assert!(text.contains("no label join") && text.contains("generic") && text.contains("aliases"), "{text}");
}
