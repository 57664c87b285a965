//! What follows if a teacher believes too few texts of a class.

use faculty_core::{Error, Event, Observer, Result};
use serde::{Deserialize, Serialize};
use std::str::FromStr;

/// What follows if a class has fewer texts than were asked for, because its teacher never believes more (`ours`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WhenShort {
    /// A warning; what there is, is used.
    #[default]
    GoOn,
    /// The run stops.
    Stop,
}

/// Classes that a warning names.
const NAMED: usize = 5;

impl WhenShort {
    /// True of the default, which needs no mention.
    pub fn is_go_on(&self) -> bool {
        *self == Self::GoOn
    }

    /// Says which classes of a teacher stayed short, each with its figures ([`ClassReport::short`](crate::ClassReport::short)):
    /// a warning that names some of them, or an error that names all.
    ///
    /// # Errors
    /// Fails with [`ErrorKind::Check`](faculty_core::ErrorKind::Check) if there are any and the run is to stop.
    pub fn settle(self, teacher: &str, short: &[String], classes: usize, observer: &dyn Observer) -> Result<()> {
        if short.is_empty() {
            return Ok(());
        }
        let head = format!("teacher {teacher}: {} of {classes} classes stayed short", short.len());
        match self {
            Self::Stop => Err(Error::check(format!("{head}: {}", short.join("; ")))
                .key("when_short")
                .help("a lower floor, more drafts, another prompt or source, or \"go-on\" to use what there is")),
            Self::GoOn => {
                let named = short.iter().take(NAMED).cloned().collect::<Vec<_>>().join("; ");
                let more = match short.len().saturating_sub(NAMED) {
                    0 => String::new(),
                    more => format!("; and {more} more"),
                };
                observer.on(Event::Warning { text: &format!("{head}: {named}{more}") });
                Ok(())
            }
        }
    }
}

impl FromStr for WhenShort {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        match text {
            "go-on" => Ok(Self::GoOn),
            "stop" => Ok(Self::Stop),
            _ => Err("expected go-on or stop".to_owned()),
        }
    }
}
