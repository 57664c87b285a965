//! Markup by hand, with escaping in one place: whatever comes from a raw line goes through [`Element::text`] or
//! [`Element::attr`], and elements close themselves.

use std::fmt::{self, Display, Write};

/// `text` as it may stand in the content of an element and in a quoted attribute. Control characters, which HTML
/// forbids, become U+FFFD; line breaks stay.
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            '\n' | '\t' => escaped.push(character),
            other if other.is_control() => escaped.push('\u{fffd}'),
            other => escaped.push(other),
        }
    }
    escaped
}

/// Elements that have no content and are written with a slash, which HTML and SVG both allow for them.
const EMPTY: &[&str] = &["meta", "br", "line", "rect", "circle", "path", "polyline", "polygon"];

/// Elements after which the source gets a line break, so that it can be read and compared line by line.
const BLOCKS: &[&str] = &[
    "html",
    "head",
    "body",
    "title",
    "meta",
    "style",
    "header",
    "main",
    "section",
    "footer",
    "figure",
    "figcaption",
    "svg",
    "desc",
    "g",
    "table",
    "caption",
    "thead",
    "tbody",
    "tr",
    "h1",
    "h2",
    "h3",
    "p",
    "ul",
    "li",
    "dl",
    "dt",
    "dd",
    "div",
    "details",
    "summary",
    "line",
    "rect",
    "circle",
    "path",
    "polyline",
    "polygon",
];

/// An element of HTML or SVG.
///
/// ```
/// use faculty_experiment::report::Element;
/// let link = Element::new("em").attr("title", "\"quoted\"").text("a < b");
/// assert_eq!(link.to_string(), "<em title=\"&quot;quoted&quot;\">a &lt; b</em>");
/// ```
#[derive(Debug, Clone)]
pub struct Element {
    name: &'static str,
    attributes: String,
    content: String,
}

impl Element {
    /// An element without attributes and content.
    pub fn new(name: &'static str) -> Self {
        Self { name, attributes: String::new(), content: String::new() }
    }

    /// Adds an attribute; its value is escaped.
    #[must_use]
    pub fn attr(mut self, name: &'static str, value: impl Display) -> Self {
        let _ = write!(self.attributes, " {name}=\"{}\"", escape(&value.to_string()));
        self
    }

    /// Adds an attribute that is a position or a length.
    #[must_use]
    pub fn at(self, name: &'static str, value: f64) -> Self {
        self.attr(name, coordinate(value))
    }

    /// Adds a `class`.
    #[must_use]
    pub fn class(self, class: impl Display) -> Self {
        self.attr("class", class)
    }

    /// Adds text; it is escaped.
    #[must_use]
    pub fn text(mut self, text: impl Display) -> Self {
        self.content.push_str(&escape(&text.to_string()));
        self
    }

    /// Adds an element.
    #[must_use]
    pub fn child(mut self, child: Self) -> Self {
        let _ = write!(self.content, "{child}");
        self
    }

    /// Adds elements.
    #[must_use]
    pub fn children(self, children: impl IntoIterator<Item = Self>) -> Self {
        children.into_iter().fold(self, Self::child)
    }

    /// Adds our own style sheet, which is no text from anywhere.
    pub(super) fn style_sheet(mut self, css: &'static str) -> Self {
        self.content.push_str(css);
        self
    }
}

impl Display for Element {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, attributes, content } = self;
        match EMPTY.contains(name) && content.is_empty() {
            true => write!(f, "<{name}{attributes}/>")?,
            false => write!(f, "<{name}{attributes}>{content}</{name}>")?,
        }
        if BLOCKS.contains(name) { f.write_char('\n') } else { Ok(()) }
    }
}

/// A position with at most two decimals, without trailing zeros; what is not finite is 0.
pub fn coordinate(value: f64) -> String {
    if !value.is_finite() {
        return "0".to_owned();
    }
    let text = format!("{value:.2}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" { "0".to_owned() } else { text.to_owned() }
}
