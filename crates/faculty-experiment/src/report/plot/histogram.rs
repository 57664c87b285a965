//! Two histograms back to back: one kind upwards, the other downwards, so that shape tells them apart and not colour
//! alone.

use super::{Anchor, Canvas, Scale, Tone, bar, label, stroke, tick_label};
use crate::report::markup::Element;

/// Shares of `up` and `down` by bin; both have their bins over `low..high`. Each is divided by its own sum.
pub fn mirrored_histogram(
    canvas: &Canvas<'_>,
    x_name: &str,
    (low, high): (f64, f64),
    (up_name, up): (&str, &[u64]),
    (down_name, down): (&str, &[u64]),
) -> Element {
    let (left, right, top, bottom) = (10.0, canvas.width - 10.0, 30.0, canvas.height - 40.0);
    let middle = 0.5 * (top + bottom);
    let (up_shares, down_shares) = (shares(up), shares(down));
    let most = up_shares.iter().chain(&down_shares).copied().fold(0.0, f64::max);
    let most = if most > 0.0 { most } else { 1.0 };
    let x = Scale::new((low, high), (left, right));
    let bins = up.len().max(down.len()).max(1);
    let width = (right - left) / bins as f64;
    let side = |tone: Tone, shares: &[f64], upwards: bool| {
        let bars = shares.iter().enumerate().filter(|(_, share)| **share > 0.0).map(|(bin, share)| {
            let height = (share / most * (middle - top)).max(0.75);
            let y = if upwards { middle - height } else { middle };
            bar("bar", left + bin as f64 * width + 0.5, y, width - 1.0, height)
        });
        Element::new("g").class(tone.class()).children(bars.collect::<Vec<_>>())
    };
    let mut parts = vec![
        side(Tone::Accent, &up_shares, true),
        side(Tone::Other(0), &down_shares, false),
        stroke("rule", (left, middle), (right, middle)),
        Element::new("g").class(Tone::Accent.class()).child(label(
            "end-name",
            Anchor::Start,
            left,
            top - 12.0,
            up_name,
        )),
        Element::new("g").class(Tone::Other(0).class()).child(label(
            "end-name",
            Anchor::Start,
            left,
            bottom + 14.0,
            down_name,
        )),
        label("name", Anchor::End, right, top - 12.0, x_name),
    ];
    let (ticks, step) = x.ticks(4);
    for tick in ticks {
        parts.push(stroke("grid", (x.place(tick), top), (x.place(tick), bottom)));
        parts.push(label("tick", Anchor::Middle, x.place(tick), bottom + 33.0, &tick_label(tick, step)));
    }
    canvas.draw(parts)
}

fn shares(counts: &[u64]) -> Vec<f64> {
    let sum: u64 = counts.iter().sum();
    counts.iter().map(|&count| if sum == 0 { 0.0 } else { count as f64 / sum as f64 }).collect()
}
