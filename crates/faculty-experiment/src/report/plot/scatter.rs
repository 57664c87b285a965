//! Dots with spread, named at the right edge: what something costs beside what it is worth.

use super::{Anchor, Axes, Canvas, Tone, dot, label, move_apart, shortened, stroke, text_width};
use crate::report::markup::Element;

/// A dot of a scatter plot.
#[derive(Debug, Clone)]
pub struct Dot {
    /// Its name.
    pub name: String,
    /// Its colour.
    pub tone: Tone,
    /// Its place.
    pub at: (f64, f64),
    /// Half the length of the line through it, upwards and downwards.
    pub spread: f64,
}

/// Size of the names.
const NAME: f64 = 12.0;

/// A scatter plot; the x axis begins at 0.
pub fn scatter(canvas: &Canvas<'_>, (x_name, y_name): (&str, &str), dots: &[Dot]) -> Element {
    let widest = dots.iter().map(|dot| text_width(&dot.name, NAME)).fold(0.0, f64::max).min(0.4 * canvas.width);
    let right = canvas.width - widest - 40.0;
    // The last dot stands a little before the edge.
    let room = |dot: &Dot| (1.06 * dot.at.0, dot.at.1);
    let ends = |dot: &Dot| [(dot.at.0, dot.at.1 - dot.spread), (dot.at.0, dot.at.1 + dot.spread)];
    let axes = Axes::over(
        (46.0, right),
        (28.0, canvas.height - 40.0),
        dots.iter().flat_map(ends).chain(dots.iter().map(room)),
    );
    let wanted: Vec<f64> = dots.iter().map(|dot| axes.y.place(dot.at.1)).collect();
    let places = move_apart(&wanted, NAME + 3.0, (axes.top - 8.0, axes.bottom + 8.0));
    let mut parts = vec![axes.draw(x_name, y_name, (4, 5))];
    for (mark, place) in dots.iter().zip(places) {
        let (x, y) = axes.place(mark.at);
        let [(_, low), (_, high)] = ends(mark).map(|end| axes.place(end));
        let text = shortened(&mark.name, NAME, widest);
        parts.push(
            Element::new("g")
                .class(mark.tone.class())
                .child(stroke("leader", (x + 6.0, y), (right + 24.0, place)))
                .child(stroke("interval", (x, low), (x, high)))
                .child(dot("dot", x, y, 5.0))
                .child(label("end-name", Anchor::Start, right + 28.0, place + 4.0, &text)),
        );
    }
    canvas.draw(parts)
}
