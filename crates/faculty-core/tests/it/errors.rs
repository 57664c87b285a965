use faculty_core::{Error, ErrorKind, Event, NamedTensor, NamedTensors, Observer, Silent, nearest};
use std::error::Error as StdError;
use std::io;

#[test]
fn an_error_tells_place_expectation_and_advice_in_one_order() {
    let error = Error::input("is wrong").help("do this").key("k").line(7).file("a/b.json").expected("that");
    assert_eq!(error.to_string(), "a/b.json:7: key `k`: is wrong; expected that\n  help: do this");
    assert_eq!(error.message(), "is wrong");
    let of = |error: Error| error.under("row[0]").to_string();
    assert_eq!(of(Error::input("is 0").key("epochs")), "key `row[0].epochs`: is 0");
    assert_eq!(of(Error::input("is wrong")), "key `row[0]`: is wrong");
    assert_eq!(Error::input("is wrong").line(7).to_string(), "is wrong", "a line without a file is no place");
}

#[test]
fn exit_codes_follow_the_kind() {
    for (kind, code) in [
        (ErrorKind::Input, 2),
        (ErrorKind::Io, 2),
        (ErrorKind::Device, 2),
        (ErrorKind::Interrupted, 130),
        (ErrorKind::Check, 1),
        (ErrorKind::Internal, 1),
    ] {
        let error = Error::new(kind, "x");
        assert_eq!((error.kind(), error.exit_code()), (kind, code));
    }
}

#[test]
fn io_errors_keep_their_cause_and_advise_by_kind() {
    let error = Error::io("write", "out/model", io::Error::from(io::ErrorKind::StorageFull));
    let message = error.to_string();
    assert!(message.starts_with("out/model: cannot write: ") && message.contains("free some space"), "{message}");
    let cause = StdError::source(&error).unwrap().downcast_ref::<io::Error>().unwrap();
    assert_eq!(cause.kind(), io::ErrorKind::StorageFull);
    assert!(Error::io("open", "x", io::ErrorKind::NotFound.into()).to_string().contains("check the path"));
    assert!(StdError::source(&Error::input("x")).is_none());
}

#[test]
fn an_interrupted_observer_stops_a_loop() {
    struct Stopped;
    impl Observer for Stopped {
        fn on(&self, _: Event<'_>) {}
        fn interrupted(&self) -> bool {
            true
        }
    }
    assert_eq!(Stopped.check().unwrap_err().kind(), ErrorKind::Interrupted);
    Silent.on(Event::Note { text: "heard by nobody" });
    assert!(Silent.check().is_ok());
}

#[test]
fn the_nearest_name_is_suggested_only_if_it_is_near() {
    let names = ["learning_rate", "batch_size", "epochs"];
    assert_eq!(nearest("learnig_rate", names), Some("learning_rate"));
    assert_eq!(nearest("BATCH_SIZE", names), Some("batch_size"));
    assert_eq!(nearest("zzz", names), None);
    assert_eq!(nearest("x", []), None);
}

#[test]
fn tensors_in_memory_are_found_by_name() {
    let tensors = vec![NamedTensor { name: "w".into(), shape: vec![1, 2], values: vec![1.0, 2.0] }];
    assert_eq!((tensors.names(), tensors.shape("w")), (vec!["w".to_owned()], Some(vec![1, 2])));
    assert_eq!(tensors.read("w").unwrap(), [1.0, 2.0]);
    assert_eq!(tensors.shape("v"), None);
    assert!(tensors.read("v").unwrap_err().to_string().contains("key `v`: tensor is missing"));
}
