//! Classes that a tiny model can learn in a second.

/// Twelve classes with four telling words each, all of them in [`TINY_WORDS`](crate::TINY_WORDS).
pub const TELLING_WORDS: [(&str, [&str; 4]); 12] = [
    ("balance", ["balance", "account", "bank", "money"]),
    ("bill", ["bill", "pay", "gas", "oil"]),
    ("card", ["card", "credit", "limit", "dollars"]),
    ("shopping", ["buy", "shop", "order", "market"]),
    ("flight", ["flight", "airport", "ticket", "travel"]),
    ("hotel", ["hotel", "room", "book", "long"]),
    ("car", ["car", "find", "go", "home"]),
    ("calendar", ["day", "time", "next", "change"]),
    ("cooking", ["recipe", "cook", "meal", "kitchen"]),
    ("music", ["music", "song", "play", "list"]),
    ("light", ["light", "turn", "set", "new"]),
    ("sport", ["team", "win", "show", "share"]),
];
