//! One plot: axes, lines, areas, columns and dots as SVG, with titles that show under the pointer.
//!
//! Lengths are tenths of a pixel, so that whole numbers are exact enough.

use std::fmt::Write as _;

use super::escape;
use super::scale::Scale;

const WIDTH: u64 = 6_400;
const HEIGHT: u64 = 2_700;
const LEFT: u64 = 640;
const RIGHT: u64 = 100;
const TOP: u64 = 360;
const BOTTOM: u64 = 420;
const PLOT_WIDTH: u64 = WIDTH - LEFT - RIGHT;
const PLOT_HEIGHT: u64 = HEIGHT - TOP - BOTTOM;

/// A place in a chart: values on its axes.
pub(super) type Point = (u64, u64);

/// A chart that is being drawn.
pub(super) struct Chart {
    title: &'static str,
    about: String,
    x: Scale,
    y: Scale,
    x_title: &'static str,
    drawn: String,
    /// Above all that is drawn, so that the pointer finds them.
    titles: String,
    legend: Vec<(String, String)>,
    empty: bool,
}

impl Chart {
    pub(super) fn new(title: &'static str, about: impl Into<String>, x: Scale, x_title: &'static str, y: Scale) -> Self {
        let (drawn, titles) = (String::new(), String::new());
        Self { title, about: about.into(), x, y, x_title, drawn, titles, legend: Vec::new(), empty: true }
    }

    fn at(&self, (x, y): Point) -> (u64, u64) {
        (LEFT + self.x.place(x, PLOT_WIDTH), TOP + PLOT_HEIGHT - self.y.place(y, PLOT_HEIGHT))
    }

    fn path(&self, points: &[Point]) -> String {
        points.iter().fold(String::new(), |mut path, point| {
            let (x, y) = self.at(*point);
            let _ = write!(path, "{}{x} {y}", if path.is_empty() { "M" } else { "L" });
            path
        })
    }

    /// A part of the x axis that is unlike the rest, with its name above it. Rows keep the names of several from each other.
    pub(super) fn band(&mut self, class: &str, (from, to): (u64, u64), name: &str, row: usize) {
        let (left, right) = (self.at((from, 0)).0, self.at((to, 0)).0);
        let width = (right - left).max(40);
        let _ = write!(self.drawn, r#"<rect class="{class}" x="{left}" y="{TOP}" width="{width}" height="{PLOT_HEIGHT}"/>"#);
        let y = TOP - 40 - 125 * u64::try_from(row % 2).unwrap_or(0);
        let (x, anchor) = if left > WIDTH - 1_000 { (WIDTH - RIGHT, "end") } else { (left, "start") };
        let _ = write!(self.drawn, r#"<text class="band" x="{x}" y="{y}" text-anchor="{anchor}">{}</text>"#, escape(name));
    }

    /// A value of the y axis to compare with.
    pub(super) fn bound(&mut self, value: u64, name: &str) {
        let (x, y) = self.at((0, value));
        let _ = write!(self.drawn, r#"<path class="bound" d="M{x} {y}h{PLOT_WIDTH}"/>"#);
        self.legend.push(("bound".to_owned(), name.to_owned()));
    }

    /// A value of the x axis to compare with.
    pub(super) fn deadline(&mut self, value: u64, name: &str) {
        let (x, _) = self.at((value, 0));
        let _ = write!(self.drawn, r#"<path class="bound" d="M{x} {TOP}v{PLOT_HEIGHT}"/>"#);
        self.legend.push(("bound".to_owned(), name.to_owned()));
    }

    /// Lines, interrupted where there is no value; one point alone is a dot.
    pub(super) fn line(&mut self, class: &str, name: &str, points: &[(u64, Option<u64>)]) {
        for part in points.split(|(_, value)| value.is_none()) {
            let part: Vec<_> = part.iter().filter_map(|(x, y)| y.map(|y| (*x, y))).collect();
            if let [only] = part.as_slice() {
                self.mark("dot", class, *only);
            } else if !part.is_empty() {
                let _ = write!(self.drawn, r#"<path class="line {class}" d="{}"/>"#, self.path(&part));
                self.empty = false;
            }
        }
        self.legend.push((format!("line {class}"), name.to_owned()));
    }

    /// All between two lines.
    pub(super) fn area(&mut self, class: &str, name: &str, low: &[Point], high: &[Point]) {
        let outline: Vec<_> = high.iter().chain(low.iter().rev()).copied().collect();
        if !outline.is_empty() {
            let _ = write!(self.drawn, r#"<path class="area {class}" d="{}z"/>"#, self.path(&outline));
            self.empty = false;
        }
        if !name.is_empty() {
            self.legend.push((format!("area {class}"), name.to_owned()));
        }
    }

    /// A column between two places on the x axis and two values.
    pub(super) fn column(&mut self, class: &str, (from, to): (u64, u64), (low, high): (u64, u64)) {
        let ((left, bottom), (right, top)) = (self.at((from, low)), self.at((to, high)));
        if bottom > top {
            // A gap between neighbours, if there is room for one.
            let width = (right - left).max(5);
            let gap = (width / 8).min(15);
            let (width, height) = (width - gap, bottom - top);
            let _ = write!(self.drawn, r#"<rect class="fill {class}" x="{left}" y="{top}" width="{width}" height="{height}"/>"#);
            self.empty = false;
        }
    }

    /// A dot (`dot`) or a cross (`cross`).
    pub(super) fn mark(&mut self, shape: &str, class: &str, point: Point) {
        let (x, y) = self.at(point);
        let _ = match shape {
            "cross" => {
                write!(self.drawn, r#"<path class="cross {class}" d="M{} {}l90 90m0 -90l-90 90"/>"#, x - 45, y.max(TOP + 45) - 45)
            }
            _ => write!(self.drawn, r#"<circle class="fill {class}" cx="{x}" cy="{y}" r="28"/>"#),
        };
        self.empty = false;
    }

    /// What the pointer shows at a place.
    pub(super) fn title_at(&mut self, point: Point, text: &str) {
        let (x, y) = self.at(point);
        let _ = write!(self.titles, r#"<circle class="hit" cx="{x}" cy="{y}" r="70"><title>{}</title></circle>"#, escape(text));
    }

    /// What the pointer shows over a part of the x axis.
    pub(super) fn title_over(&mut self, (from, to): (u64, u64), text: &str) {
        let (left, right) = (self.at((from, 0)).0, self.at((to, 0)).0);
        let width = (right - left).max(5);
        let _ = write!(
            self.titles,
            r#"<rect class="hit" x="{left}" y="{TOP}" width="{width}" height="{PLOT_HEIGHT}"><title>{}</title></rect>"#,
            escape(text)
        );
    }

    pub(super) fn legend(&mut self, class: &str, name: &str) {
        self.legend.push((class.to_owned(), name.to_owned()));
    }

    /// As a `figure`.
    pub(super) fn figure(&self) -> String {
        let mut svg = format!(r#"<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{}">"#, escape(self.title));
        for tick in &self.y.ticks {
            let (_, y) = self.at((0, *tick));
            let _ = write!(svg, r#"<path class="grid" d="M{LEFT} {y}h{PLOT_WIDTH}"/>"#);
            let _ = write!(svg, r#"<text x="{}" y="{}" text-anchor="end">{}</text>"#, LEFT - 70, y + 40, self.y.label(*tick));
        }
        let _ = write!(svg, r#"<text class="unit" x="{}" y="{}" text-anchor="end">{}</text>"#, LEFT - 70, TOP - 140, self.y.unit);
        svg.push_str(&self.drawn);
        let bottom = TOP + PLOT_HEIGHT;
        let _ = write!(svg, r#"<path class="axis" d="M{LEFT} {bottom}h{PLOT_WIDTH}"/>"#);
        for tick in &self.x.ticks {
            let (x, _) = self.at((*tick, 0));
            let _ = write!(svg, r#"<path class="axis" d="M{x} {bottom}v40"/>"#);
            let _ = write!(svg, r#"<text x="{x}" y="{}" text-anchor="middle">{}</text>"#, bottom + 170, self.x.label(*tick));
        }
        let x_title = format!("{} ({})", self.x_title, self.x.unit);
        let _ = write!(
            svg,
            r#"<text class="unit" x="{}" y="{}" text-anchor="end">{}</text>"#,
            LEFT + PLOT_WIDTH,
            HEIGHT - 60,
            escape(&x_title)
        );
        if self.empty {
            let (x, y) = (LEFT + PLOT_WIDTH / 2, TOP + PLOT_HEIGHT / 2);
            let _ = write!(svg, r#"<text class="none" x="{x}" y="{y}" text-anchor="middle">nothing was measured</text>"#);
        }
        svg.push_str(&self.titles);
        svg.push_str("</svg>");
        let legend: String = self
            .legend
            .iter()
            .map(|(class, name)| {
                let key = r#"<rect x="0" y="0" width="160" height="100"/><path d="M0 50h160"/>"#;
                format!(r#"<li><svg class="key {class}" viewBox="0 0 160 100">{key}</svg>{}</li>"#, escape(name))
            })
            .collect();
        format!(
            "<figure><figcaption><h3>{}</h3><p>{}</p></figcaption>{svg}<ul class=\"legend\">{legend}</ul></figure>\n",
            escape(self.title),
            escape(&self.about)
        )
    }
}
