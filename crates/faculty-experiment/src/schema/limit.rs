//! How many texts of each class: a number, a share, or all.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;

/// How many texts of each class: a number, a share of those that are there (`"50%"`), or `"all"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Limit {
    /// Every one.
    #[default]
    All,
    /// At most so many.
    At(usize),
    /// At most so many of a hundred, rounded down, but at least one. For sets whose classes differ much in size.
    Percent(u8),
}

impl Limit {
    /// The limit as a number, for a class of `total` texts; `None` = no limit.
    pub fn of(self, total: usize) -> Option<usize> {
        match self {
            Self::All => None,
            Self::At(limit) => Some(limit),
            Self::Percent(percent) => Some((total * usize::from(percent) / 100).max(1)),
        }
    }

    /// True if `count` texts of a class of `total` reach the limit.
    pub fn is_reached(self, count: usize, total: usize) -> bool {
        self.of(total).is_some_and(|limit| count >= limit)
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("all"),
            Self::At(limit) => write!(f, "{limit}"),
            Self::Percent(percent) => write!(f, "{percent}%"),
        }
    }
}

impl Serialize for Limit {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::At(limit) => serializer.serialize_u64(*limit as u64),
            Self::All | Self::Percent(_) => serializer.collect_str(self),
        }
    }
}

impl<'de> Deserialize<'de> for Limit {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl serde::de::Visitor<'_> for Visitor {
            type Value = Limit;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number of texts, a share such as \"50%\", or \"all\"")
            }

            fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<Limit, E> {
                usize::try_from(value).map(Limit::At).map_err(|_| E::custom(format!("{value} is no number of texts")))
            }

            fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<Limit, E> {
                usize::try_from(value).map(Limit::At).map_err(|_| E::custom(format!("{value} is no number of texts")))
            }

            fn visit_str<E: serde::de::Error>(self, value: &str) -> Result<Limit, E> {
                if value == "all" {
                    return Ok(Limit::All);
                }
                let percent = value.strip_suffix('%').and_then(|percent| percent.trim().parse().ok());
                percent
                    .filter(|percent| (1..=100).contains(percent))
                    .map(Limit::Percent)
                    .ok_or_else(|| E::invalid_value(serde::de::Unexpected::Str(value), &self))
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}
