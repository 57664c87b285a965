//! The live bar.

use super::{Stage, human_duration, human_rate, print_line};
use faculty_core::Event;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};
use std::fmt::Write;
use std::time::Duration;

const TEMPLATE: &str = "{prefix} [{bar:24}] {pos}/{len} {rate}, {left} left  {wide_msg}";

/// A bar while a stage runs, its closing line afterwards.
#[derive(Default)]
pub struct BarView {
    current: Option<(Stage, ProgressBar)>,
}

impl BarView {
    /// Prints a line above the bar.
    pub fn above(&self, text: &str) {
        match &self.current {
            Some((_, bar)) => bar.suspend(|| print_line(text)),
            None => print_line(text),
        }
    }

    /// Shows a stage event.
    pub fn on(&mut self, event: &Event<'_>) {
        match event {
            Event::Start { stage, total, unit } => {
                self.close("");
                let bar = ProgressBar::with_draw_target(Some(*total), ProgressDrawTarget::stderr_with_hz(8));
                bar.set_style(style(unit));
                bar.set_prefix((*stage).to_owned());
                bar.enable_steady_tick(Duration::from_millis(500));
                self.current = Some((Stage::new(stage, *total, unit), bar));
            }
            Event::Advance { units, note } => {
                if let Some((stage, bar)) = &mut self.current {
                    stage.done += units;
                    bar.inc(*units);
                    if !note.is_empty() {
                        bar.set_message((*note).to_owned());
                    }
                }
            }
            Event::Skip { units, reason } => {
                if let Some((stage, bar)) = &mut self.current {
                    stage.skip(*units, reason);
                    bar.inc(*units);
                    // The jump says nothing of the time that is left.
                    bar.reset_eta();
                    bar.set_message(format!("{units} {reason}"));
                }
            }
            Event::End { summary } => self.close(summary),
            Event::Note { text } | Event::Warning { text } => self.above(text),
        }
    }

    fn close(&mut self, summary: &str) {
        if let Some((stage, bar)) = self.current.take() {
            bar.finish_and_clear();
            print_line(&stage.closing_line(summary));
        }
    }
}

impl Drop for BarView {
    fn drop(&mut self) {
        if let Some((_, bar)) = self.current.take() {
            // What is printed next (an error) stands on a line of its own.
            bar.finish_and_clear();
        }
    }
}

fn style(unit: &str) -> ProgressStyle {
    let unit = unit.to_owned();
    let style = ProgressStyle::with_template(TEMPLATE).unwrap_or_else(|_| ProgressStyle::default_bar());
    style
        .with_key("rate", move |state: &ProgressState, out: &mut dyn Write| {
            let _ = write!(out, "{} {unit}/s", human_rate(state.per_sec()));
        })
        .with_key("left", |state: &ProgressState, out: &mut dyn Write| {
            let known = state.pos() > 0;
            let _ = write!(out, "{}", if known { human_duration(state.eta()) } else { "?".to_owned() });
        })
        .progress_chars("=> ")
}
