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
    /// Units among `done` that needed no work.
    skipped: u64,
    reason: String,
    start: Instant,
}

impl Stage {
    fn new(name: &str, total: u64, unit: &str) -> Self {
        Self {
            name: name.to_owned(),
            unit: unit.to_owned(),
            total,
            done: 0,
            skipped: 0,
            reason: String::new(),
            start: Instant::now(),
        }
    }

    fn skip(&mut self, units: u64, reason: &str) {
        self.done += units;
        self.skipped += units;
        reason.clone_into(&mut self.reason);
    }

    /// Units a second so far, of those that needed work.
    fn rate(&self) -> f64 {
        (self.done - self.skipped) as f64 / self.start.elapsed().as_secs_f64().max(1e-6)
    }

    /// The line worth keeping.
    fn closing_line(&self, summary: &str) -> String {
        let Self { name, unit, done, skipped, reason, .. } = self;
        let summary = if summary.is_empty() { String::new() } else { format!("; {summary}") };
        if *done > 0 && skipped == done {
            // A rate would say how fast a file was read.
            return format!("{name}: {done} {unit} {reason}{summary}");
        }
        let skipped = if *skipped > 0 { format!("{skipped} {reason}; ") } else { String::new() };
        let time = human_duration(self.start.elapsed());
        format!("{name}: {done} {unit} in {time} ({skipped}{} {unit}/s){summary}", human_rate(self.rate()))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_needed_no_work_is_no_part_of_the_rate() {
        let mut stage = Stage::new("teacher a", 60, "texts");
        stage.skip(60, "from the cache");
        assert_eq!(stage.closing_line(""), "teacher a: 60 texts from the cache");
        let mut stage = Stage::new("teacher a", 60, "texts");
        stage.skip(40, "from the cache");
        stage.done += 20;
        stage.start -= Duration::from_secs(10);
        let line = stage.closing_line("");
        assert_eq!(line, "teacher a: 60 texts in 10 s (40 from the cache; 2.0 texts/s)");
    }
}
