//! Disks that are full.
#![cfg(unix)]

use crate::workplace::{Workplace, bank_rows, run};
use std::process::Command;

#[test]
fn a_full_device_is_an_input_error_that_names_it() {
    if !std::path::Path::new("/dev/full").exists() {
        return;
    }
    let place = Workplace::new();
    place.tiny("model", ["x", "y"]);
    place.write("texts.txt", "pay");
    place
        .faculty("predict --model model --text texts.txt --out /dev/full")
        .refused(2, &["/dev/full", "free some space"]);
    assert!(std::path::Path::new("/dev/full").exists(), "a device is not replaced by a file");
}

#[test]
fn files_that_cannot_grow_leave_nothing_behind() {
    let place = Workplace::new();
    place.tiny("encoder", ["a", "b"]);
    place.labelled("train.jsonl", &bank_rows());
    let before = place.listing();
    // A limit on the size of files (32 KiB or 64 KiB, as the shell counts) stands in for a full disk.
    let shell = "trap '' XFSZ; ulimit -f 64; exec \"$0\" \"$@\"";
    let faculty = place.command();
    let mut limited = Command::new("sh");
    limited.args(["-c", shell]).arg(faculty.get_program()).current_dir(place.path(""));
    limited.args("finetune --model encoder --train train.jsonl --epochs 1 --out out".split_whitespace());
    run(&mut limited).refused(2, &["cannot write", "out"]);
    assert_eq!(place.listing(), before);
}
