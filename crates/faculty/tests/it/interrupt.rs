//! Ctrl-C.
#![cfg(unix)]

use crate::workplace::{Workplace, bank_rows};
use std::io::{BufRead, BufReader, Read};
use std::process::Stdio;

#[test]
fn ctrl_c_leaves_nothing_half_written() {
    let place = Workplace::new();
    place.tiny("encoder", ["a", "b"]);
    place.labelled("train.jsonl", &bank_rows());
    let before = place.listing();
    let arguments = "finetune --model encoder --train train.jsonl --epochs 1000000 --out out";
    let mut child = place
        .command()
        .args(arguments.split_whitespace())
        .stderr(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    while !line.starts_with("fine-tune:") {
        line.clear();
        assert_ne!(stderr.read_line(&mut line).unwrap(), 0, "the training never began");
    }
    // SAFETY: kill only sends a signal, to the child that was started above and has not been waited for.
    assert_eq!(unsafe { libc::kill(child.id() as libc::pid_t, libc::SIGINT) }, 0);
    let mut rest = String::new();
    stderr.read_to_string(&mut rest).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130), "{rest}");
    assert!(rest.contains("interrupted"), "{rest}");
    assert_eq!(place.listing(), before);
}
