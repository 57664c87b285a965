//! The frame of a plot: grid, ticks, names of the axes.

use super::{Anchor, Scale, label, stroke, tick_label};
use crate::report::markup::Element;

/// Two scales over an area. Positions grow to the right and downwards, so `y` maps low values to the lower edge.
#[derive(Debug, Clone, Copy)]
pub struct Axes {
    /// The left edge of the area.
    pub left: f64,
    /// The right edge.
    pub right: f64,
    /// The upper edge.
    pub top: f64,
    /// The lower edge.
    pub bottom: f64,
    /// From values to the right.
    pub x: Scale,
    /// From values upwards.
    pub y: Scale,
}

impl Axes {
    /// Axes over an area for these points: x from 0 to the last value, y between round values.
    pub fn over(
        (left, right): (f64, f64),
        (top, bottom): (f64, f64),
        points: impl Iterator<Item = (f64, f64)> + Clone,
    ) -> Self {
        let last = points.clone().map(|(x, _)| x).filter(|x| x.is_finite()).fold(0.0, f64::max);
        let x = Scale::new((0.0, if last > 0.0 { last } else { 1.0 }), (left, right));
        let y = Scale::nice(points.map(|(_, y)| y), 5, (bottom, top));
        Self { left, right, top, bottom, x, y }
    }

    /// The position of a point.
    pub fn place(&self, (x, y): (f64, f64)) -> (f64, f64) {
        (self.x.place(x), self.y.place(y))
    }

    /// Grid, ticks and names. The name of the y axis stands above it, where it can be read without turning one's head.
    pub fn draw(&self, x_name: &str, y_name: &str, (x_ticks, y_ticks): (usize, usize)) -> Element {
        let mut frame = Element::new("g").class("axes");
        let (ticks, step) = self.y.ticks(y_ticks);
        for tick in ticks {
            let y = self.y.place(tick);
            frame = frame.child(stroke("grid", (self.left, y), (self.right, y)));
            frame = frame.child(label("tick", Anchor::End, self.left - 6.0, y + 4.0, &tick_label(tick, step)));
        }
        let (ticks, step) = self.x.ticks(x_ticks);
        for tick in ticks {
            let x = self.x.place(tick);
            frame = frame.child(stroke("rule", (x, self.bottom), (x, self.bottom + 4.0)));
            frame = frame.child(label("tick", Anchor::Middle, x, self.bottom + 17.0, &tick_label(tick, step)));
        }
        frame
            .child(stroke("rule", (self.left, self.bottom), (self.right, self.bottom)))
            .child(label("name", Anchor::End, self.right, self.bottom + 33.0, x_name))
            .child(label("name", Anchor::Start, (self.left - 34.0).max(0.0), self.top - 9.0, y_name))
    }
}
