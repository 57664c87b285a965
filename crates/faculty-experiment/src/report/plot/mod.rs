//! A small plot module: figures as SVG elements that stand in the page.
//!
//! Nothing here knows tables or raw lines. Colours are classes ([`Tone`]) that the page's style sheet fills in, once
//! for light and once for dark; every figure has a title and a description for those who do not see it.

mod axes;
mod histogram;
mod lines;
mod matrix;
mod ranges;
mod reliability;
mod scale;
mod scatter;

pub use axes::Axes;
pub use histogram::mirrored_histogram;
pub use lines::{Line, line_plot};
pub use matrix::{MatrixCell, matrix};
pub use ranges::{Range, range_axis, range_cell, ranges};
pub use reliability::reliability_diagram;
pub use scale::{Scale, move_apart, tick_label, tick_step};
pub use scatter::{Dot, scatter};

use super::markup::{Element, coordinate};

/// What something is, which the style sheet gives a colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// What the figure is about.
    Accent,
    /// The line to reach.
    Ceiling,
    /// One of several others.
    Other(usize),
}

impl Tone {
    /// Number of colours of [`Tone::Other`]; after them they repeat.
    pub const OTHERS: usize = 8;

    /// The class that carries the colour.
    pub fn class(self) -> String {
        match self {
            Self::Accent => "accent".to_owned(),
            Self::Ceiling => "ceiling".to_owned(),
            Self::Other(index) => format!("t{}", index % Self::OTHERS),
        }
    }
}

/// The sheet a figure is drawn on.
#[derive(Debug, Clone, Copy)]
pub struct Canvas<'a> {
    /// Unique in the page.
    pub id: &'a str,
    /// What the figure is, in a few words.
    pub title: &'a str,
    /// What there is to see, for those who do not.
    pub description: &'a str,
    /// Width in pixels.
    pub width: f64,
    /// Height in pixels.
    pub height: f64,
}

impl Canvas<'_> {
    /// The figure with its parts.
    pub fn draw(&self, parts: impl IntoIterator<Item = Element>) -> Element {
        let (width, height) = (coordinate(self.width), coordinate(self.height));
        Element::new("svg")
            .attr("viewBox", format!("0 0 {width} {height}"))
            .attr("width", width)
            .attr("height", height)
            .attr("role", "img")
            .attr("aria-labelledby", format!("{0}-title {0}-desc", self.id))
            .child(Element::new("title").attr("id", format!("{}-title", self.id)).text(self.title))
            .child(Element::new("desc").attr("id", format!("{}-desc", self.id)).text(self.description))
            .children(parts)
    }
}

/// Where a text is held: by its beginning, its middle or its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Anchor {
    /// By its beginning.
    Start,
    /// By its middle.
    Middle,
    /// By its end.
    End,
}

/// A text of a figure, its base line at `y`.
pub fn label(class: &'static str, anchor: Anchor, x: f64, y: f64, text: &str) -> Element {
    let element = Element::new("text").class(class).at("x", x).at("y", y);
    let element = match anchor {
        Anchor::Start => element,
        Anchor::Middle => element.attr("text-anchor", "middle"),
        Anchor::End => element.attr("text-anchor", "end"),
    };
    element.text(text)
}

/// A straight line.
pub fn stroke(class: &'static str, (x1, y1): (f64, f64), (x2, y2): (f64, f64)) -> Element {
    Element::new("line").class(class).at("x1", x1).at("y1", y1).at("x2", x2).at("y2", y2)
}

/// A dot.
pub fn dot(class: &'static str, x: f64, y: f64, radius: f64) -> Element {
    Element::new("circle").class(class).at("cx", x).at("cy", y).at("r", radius)
}

/// A filled box.
pub fn bar(class: &'static str, x: f64, y: f64, width: f64, height: f64) -> Element {
    Element::new("rect").class(class).at("x", x).at("y", y).at("width", width.max(0.0)).at("height", height.max(0.0))
}

/// The width of a text in pixels, about: fonts differ from screen to screen.
pub fn text_width(text: &str, size: f64) -> f64 {
    let width = |character: char| match character {
        'i' | 'j' | 'l' | 't' | 'f' | 'r' | 'I' | '.' | ',' | ':' | ';' | '\'' | '|' | '(' | ')' | '[' | ']' | ' ' => {
            0.34
        }
        'm' | 'w' | 'M' | 'W' | '%' | '@' => 0.88,
        other if other.is_uppercase() => 0.68,
        other if other.is_ascii() => 0.56,
        _ => 0.8,
    };
    size * text.chars().map(width).sum::<f64>()
}

/// The text, cut with an ellipsis if it is wider than `width` pixels.
pub fn shortened(text: &str, size: f64, width: f64) -> String {
    if text_width(text, size) <= width {
        return text.to_owned();
    }
    let mut short = String::new();
    for character in text.chars() {
        short.push(character);
        if text_width(&short, size) + 0.8 * size > width {
            short.pop();
            break;
        }
    }
    format!("{}…", short.trim_end())
}

/// Positions as a path of straight lines.
fn path(points: &[(f64, f64)]) -> String {
    let step = |(index, (x, y)): (usize, &(f64, f64))| {
        format!("{}{} {}", if index == 0 { "M" } else { "L" }, coordinate(*x), coordinate(*y))
    };
    points.iter().enumerate().map(step).collect::<Vec<_>>().join("")
}
