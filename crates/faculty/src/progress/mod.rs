//! What a person sees while a command works: a live bar on a terminal, plain lines elsewhere. Always on stderr; results
//! go to stdout.

mod bar;
mod lines;

use crate::interrupt;
use bar::BarView;
use faculty_core::{Event, Observer};
use lines::LineView;
use std::io::{IsTerminal, Write};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How much is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Detail {
    /// Warnings alone.
    Quiet,
    /// Notes and warnings.
    NoProgress,
    /// Progress, notes and warnings.
    Full,
}

/// The observer of the commands.
pub struct Console {
    detail: Detail,
    view: Mutex<View>,
}

enum View {
    Bar(BarView),
    Lines(LineView),
}

impl Console {
    /// A bar if stderr is a terminal, lines otherwise.
    pub fn new(detail: Detail) -> Self {
        let view = if std::io::stderr().is_terminal() {
            View::Bar(BarView::default())
        } else {
            View::Lines(LineView::default())
        };
        Self { detail, view: Mutex::new(view) }
    }

    /// Shows a sentence, unless the user asked for quiet.
    pub fn note(&self, text: &str) {
        self.on(Event::Note { text });
    }

    /// Shows a warning.
    pub fn warn(&self, text: &str) {
        self.on(Event::Warning { text });
    }

    fn say(&self, view: &mut View, text: &str) {
        match view {
            View::Bar(bar) => bar.above(text),
            View::Lines(_) => print_line(text),
        }
    }
}

impl Observer for Console {
    fn on(&self, event: Event<'_>) {
        let mut view = self.view.lock().unwrap_or_else(PoisonError::into_inner);
        match event {
            Event::Note { .. } if self.detail == Detail::Quiet => {}
            Event::Note { text } => self.say(&mut view, text),
            Event::Warning { text } => self.say(&mut view, &format!("warning: {text}")),
            _ if self.detail != Detail::Full => {}
            event => match &mut *view {
                View::Bar(bar) => bar.on(&event),
                View::Lines(lines) => lines.on(&event),
            },
        }
    }

    fn interrupted(&self) -> bool {
        interrupt::interrupted()
    }
}

/// Writes a line to stderr. That stderr is closed is no reason to stop.
fn print_line(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// One stage, counted.
struct Stage {
    name: String,
    unit: String,
    total: u64,
    done: u64,
    start: Instant,
}

impl Stage {
    fn new(name: &str, total: u64, unit: &str) -> Self {
        Self { name: name.to_owned(), unit: unit.to_owned(), total, done: 0, start: Instant::now() }
    }

    /// Units a second so far.
    fn rate(&self) -> f64 {
        self.done as f64 / self.start.elapsed().as_secs_f64().max(1e-6)
    }

    /// The line worth keeping.
    fn closing_line(&self, summary: &str) -> String {
        let seconds = self.start.elapsed().as_secs_f64();
        let summary = if summary.is_empty() { String::new() } else { format!("; {summary}") };
        format!(
            "{}: {} {} in {} ({} {}/s){summary}",
            self.name,
            self.done,
            self.unit,
            human_duration(Duration::from_secs_f64(seconds)),
            human_rate(self.rate()),
            self.unit
        )
    }
}

/// "0.4 s", "12 s", "3 min 05 s".
pub fn human_duration(duration: Duration) -> String {
    let seconds = duration.as_secs_f64();
    if seconds < 10.0 {
        format!("{seconds:.1} s")
    } else if seconds < 60.0 {
        format!("{seconds:.0} s")
    } else {
        let whole = seconds.round() as u64;
        format!("{} min {:02} s", whole / 60, whole % 60)
    }
}

fn human_rate(rate: f64) -> String {
    if rate < 10.0 { format!("{rate:.1}") } else { format!("{rate:.0}") }
}
