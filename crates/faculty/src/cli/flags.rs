//! Settings as the command line names them.

use faculty_core::Error;

/// Keys of settings (the last part of a dotted one) and the flags that give their values.
const FLAGS: [(&str, &str); 26] = [
    ("batch", "--batch"),
    ("chat", "--chat"),
    ("every", "--guide-every"),
    ("examples", "--examples"),
    ("first", "--guide-first"),
    ("floor", "--floor"),
    ("gamma", "--guide"),
    ("init", "--student"),
    ("layers", "--student-layers"),
    ("max_length", "--max-length"),
    ("max_tokens", "--max-tokens"),
    ("most_drafts", "--most-drafts"),
    ("names", "--name"),
    ("near", "--near"),
    ("opening", "--opening"),
    ("patience", "--patience"),
    ("per_class", "--per-class"),
    ("repetition_penalty", "--repetition-penalty"),
    ("steps", "--prefix"),
    ("stop", "--stop"),
    ("temperature", "--temperature"),
    ("template", "--template"),
    ("top", "--guide-top"),
    ("top_k", "--top-k"),
    ("top_p", "--top-p"),
    ("when_short", "--when-short"),
];

/// The error under the flag that gave the value, where one is known: libraries name the keys of their settings.
pub fn by_flag(error: Error) -> Error {
    let key = error.named_key().map(|key| key.rsplit('.').next().unwrap_or(key));
    let flag = key.and_then(|key| FLAGS.iter().find(|(name, _)| *name == key));
    match flag {
        Some((_, flag)) => error.key(*flag),
        None => error,
    }
}
