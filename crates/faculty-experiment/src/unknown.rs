//! Turning a TOML error into a sentence that names the key and, for an unknown one, the nearest valid name.

use faculty_core::{Error, nearest};
use std::path::Path;

/// The line of byte `offset`, counted from 1.
pub(crate) fn line_of(text: &str, offset: usize) -> u64 {
    1 + text.bytes().take(offset).filter(|&byte| byte == b'\n').count() as u64
}

/// The error of a file whose TOML does not fit its shape.
pub(crate) fn describe(error: &toml::de::Error, path: &Path) -> Error {
    let message = error.message();
    let place = place(&error.to_string());
    let Some((unknown, candidates)) = unknown_name(message) else {
        let described = Error::input(message.trim().to_owned()).file(path);
        return match place {
            Some(place) => described.key(place),
            None => described,
        };
    };
    let what = if message.starts_with("unknown variant") { "value" } else { "key" };
    let described = Error::input(format!("unknown {what} `{unknown}`")).file(path);
    let described = match place {
        Some(place) if what == "key" => described.key(format!("{place}.{unknown}")),
        Some(place) => described.key(place),
        None if what == "key" => described.key(unknown.clone()),
        None => described,
    };
    let described = match candidates.is_empty() {
        true => described.expected("no key here"),
        false => described.expected(format!("one of {}", candidates.join(", "))),
    };
    match nearest(&unknown, candidates.iter().map(String::as_str)) {
        Some(near) => described.help(format!("did you mean `{near}`?")),
        None => described,
    }
}

/// Reads "unknown field `x`, expected one of `a`, `b`" (or "unknown variant ...").
fn unknown_name(message: &str) -> Option<(String, Vec<String>)> {
    if !message.starts_with("unknown field") && !message.starts_with("unknown variant") {
        return None;
    }
    let mut quoted = message.split('`').skip(1).step_by(2).map(str::to_owned);
    Some((quoted.next()?, quoted.collect()))
}

/// Reads the line "in `student.train`" that TOML errors end with when they know the table.
fn place(display: &str) -> Option<String> {
    let line = display.lines().rev().find(|line| line.starts_with("in `"))?;
    Some(line.trim_start_matches("in ").trim_matches('`').to_owned())
}
