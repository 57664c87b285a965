//! Settings as the command line names them.

use faculty_core::Error;

/// The flag that gives the value of a setting, if one does.
fn flag(key: &str) -> Option<String> {
    Some(match key {
        "every" => "--guide-every".to_owned(),
        "first" => "--guide-first".to_owned(),
        "gamma" => "--guide".to_owned(),
        "init" => "--student".to_owned(),
        "layers" => "--student-layers".to_owned(),
        "names" => "--name".to_owned(),
        "steps" => "--prefix".to_owned(),
        "top" => "--guide-top".to_owned(),
        "batch" | "chat" | "examples" | "floor" | "max_length" | "max_tokens" | "most_drafts" | "near" | "opening"
        | "patience" | "per_class" | "repetition_penalty" | "stop" | "temperature" | "template" | "top_k" | "top_p"
        | "when_short" => format!("--{}", key.replace('_', "-")),
        _ => return None,
    })
}

/// The error under the flag that gave the value, where one is known: libraries name the keys of their settings.
pub fn by_flag(error: Error) -> Error {
    let key = error.named_key().map(|key| key.rsplit('.').next().unwrap_or(key));
    match key.and_then(flag) {
        Some(flag) => error.key(flag),
        None => error,
    }
}
