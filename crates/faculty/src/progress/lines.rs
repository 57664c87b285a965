//! Plain lines for logs: one when a stage starts, one now and then, one when it ends.

use super::{Stage, human_duration, human_rate, print_line};
use faculty_core::Event;
use std::time::{Duration, Instant};

/// A line at least this often while a stage runs.
const LONGEST_SILENCE: Duration = Duration::from_secs(10);
/// And at every tenth of the stage, but no more often than this.
const SHORTEST_SILENCE: Duration = Duration::from_secs(3);

/// Lines instead of a bar.
#[derive(Default)]
pub struct LineView {
    current: Option<Running>,
}

struct Running {
    stage: Stage,
    last_line: Instant,
    last_tenth: u64,
    note: String,
}

impl LineView {
    /// Shows a stage event.
    pub fn on(&mut self, event: &Event<'_>) {
        match event {
            Event::Start { stage, total, unit } => {
                self.close("");
                print_line(&format!("{stage}: {total} {unit}"));
                let stage = Stage::new(stage, *total, unit);
                self.current = Some(Running { stage, last_line: Instant::now(), last_tenth: 0, note: String::new() });
            }
            Event::Advance { units, note } => {
                if let Some(running) = &mut self.current {
                    running.advance(*units, note);
                }
            }
            Event::Skip { units, reason } => {
                if let Some(running) = &mut self.current {
                    running.stage.skip(*units, reason);
                    running.note = format!("{units} {reason}");
                }
            }
            Event::End { summary } => self.close(summary),
            Event::Note { text } | Event::Warning { text } => print_line(text),
        }
    }

    fn close(&mut self, summary: &str) {
        if let Some(running) = self.current.take() {
            print_line(&running.stage.closing_line(summary));
        }
    }
}

impl Running {
    fn advance(&mut self, units: u64, note: &str) {
        self.stage.done += units;
        if !note.is_empty() {
            note.clone_into(&mut self.note);
        }
        if self.stage.done >= self.stage.total {
            return; // The closing line follows.
        }
        let tenth = 10 * self.stage.done / self.stage.total.max(1);
        let silence = self.last_line.elapsed();
        if silence >= LONGEST_SILENCE || (tenth > self.last_tenth && silence >= SHORTEST_SILENCE) {
            self.last_line = Instant::now();
            self.last_tenth = tenth;
            print_line(&self.line());
        }
    }

    fn line(&self) -> String {
        let Stage { name, unit, total, done, .. } = &self.stage;
        let rate = self.stage.rate();
        let left = Duration::try_from_secs_f64(total.saturating_sub(*done) as f64 / rate).unwrap_or_default();
        let note = if self.note.is_empty() { String::new() } else { format!(", {}", self.note) };
        format!("{name}: {done}/{total} {unit}, {} {unit}/s, {} left{note}", human_rate(rate), human_duration(left))
    }
}
