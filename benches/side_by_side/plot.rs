//! A plot as SVG: lines over a logarithmic axis, with the middle half of each point's rounds as a bar.

use std::fmt::Write;

/// What is drawn.
#[derive(Clone)]
pub(crate) struct Plot {
    pub(crate) title: &'static str,
    pub(crate) x_label: &'static str,
    pub(crate) y_label: &'static str,
    pub(crate) has_log_y: bool,
    pub(crate) lines: Vec<Line>,
    /// How a place on the x axis is written.
    pub(crate) x_name: fn(f64) -> String,
}

/// One line, with its name in the legend.
#[derive(Clone)]
pub(crate) struct Line {
    pub(crate) label: String,
    pub(crate) dashed: bool,
    pub(crate) points: Vec<Dot>,
}

/// A point, and between what its rounds' middle half lies.
#[derive(Clone, Copy)]
pub(crate) struct Dot {
    pub(crate) x: f64,
    pub(crate) y: f64,
    pub(crate) low: f64,
    pub(crate) high: f64,
}

/// From values to places on the paper.
struct Scale {
    low: f64,
    high: f64,
    is_log: bool,
    begin: f64,
    end: f64,
}

impl Plot {
    /// The text of the SVG file.
    pub(crate) fn svg(&self) -> String {
        let mut out = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" font-size=\"13\">\n\
             <rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"white\"/>\n"
        );
        let (x, y) = (self.x_scale(), self.y_scale());
        text(&mut out, WIDTH / 2.0, 24.0, "middle", self.title);
        text(&mut out, WIDTH / 2.0, HEIGHT - 10.0, "middle", self.x_label);
        text(&mut out, LEFT, TOP - 12.0, "start", self.y_label);
        self.axes(&mut out, &x, &y);
        for (number, line) in self.lines.iter().enumerate() {
            line.draw(&mut out, &x, &y, number);
        }
        out.push_str("</svg>\n");
        out
    }

    fn dots(&self) -> impl Iterator<Item = &Dot> {
        self.lines.iter().flat_map(|line| &line.points)
    }

    fn x_scale(&self) -> Scale {
        let (low, high) = range(self.dots().map(|dot| dot.x));
        Scale {
            low,
            high: high.max(low * 10.0),
            is_log: true,
            begin: LEFT,
            end: WIDTH - RIGHT,
        }
    }

    fn y_scale(&self) -> Scale {
        let (low, high) = range(self.dots().flat_map(|dot| [dot.y, dot.high]));
        let (low, high) = match self.has_log_y {
            true => (power_below(low), power_below(high) * 10.0),
            // With room for the legend.
            false => (0.0, step(high) * (1.3 * high / step(high)).ceil()),
        };
        Scale {
            low,
            high,
            is_log: self.has_log_y,
            begin: HEIGHT - BOTTOM,
            end: TOP,
        }
    }

    fn axes(&self, out: &mut String, x: &Scale, y: &Scale) {
        let mut places: Vec<f64> = self.dots().map(|dot| dot.x).collect();
        places.sort_by(f64::total_cmp);
        places.dedup();
        for place in places {
            let at = x.at(place);
            rule(out, (at, y.begin), (at, y.end), "#eee");
            text(out, at, y.begin + 18.0, "middle", &(self.x_name)(place));
        }
        for place in y.ticks() {
            let at = y.at(place);
            rule(out, (x.begin, at), (x.end, at), "#ddd");
            text(out, x.begin - 8.0, at + 4.0, "end", &format!("{place}"));
        }
        rule(out, (x.begin, y.begin), (x.end, y.begin), "black");
        rule(out, (x.begin, y.begin), (x.begin, y.end), "black");
    }
}

impl Line {
    fn draw(&self, out: &mut String, x: &Scale, y: &Scale, number: usize) {
        let colour = COLOURS[number % COLOURS.len()];
        let dash = if self.dashed {
            " stroke-dasharray=\"6 4\""
        } else {
            ""
        };
        let style = format!("stroke=\"{colour}\" stroke-width=\"2\" fill=\"none\"{dash}");
        let places: Vec<String> = self
            .points
            .iter()
            .map(|dot| format!("{:.1},{:.1}", x.at(dot.x), y.at(dot.y)))
            .collect();
        let _ = writeln!(out, "<polyline points=\"{}\" {style}/>", places.join(" "));
        for dot in &self.points {
            let (at, of_y) = (x.at(dot.x), y.at(dot.y));
            let _ = writeln!(
                out,
                "<circle cx=\"{at:.1}\" cy=\"{of_y:.1}\" r=\"3\" fill=\"{colour}\"/>"
            );
            rule(out, (at, y.at(dot.low)), (at, y.at(dot.high)), colour);
        }
        let (left, top) = (LEFT + 16.0, TOP + 14.0 + 18.0 * number as f64);
        let _ = writeln!(out, "<path d=\"M{left} {top}h28\" {style}/>");
        text(out, left + 36.0, top + 4.0, "start", &self.label);
    }
}

impl Scale {
    fn at(&self, value: f64) -> f64 {
        let part = match self.is_log {
            true => (value / self.low).ln() / (self.high / self.low).ln(),
            false => (value - self.low) / (self.high - self.low),
        };
        self.begin + part * (self.end - self.begin)
    }

    fn ticks(&self) -> Vec<f64> {
        let next = |place: f64| match self.is_log {
            true => place * 10.0,
            false => place + step(self.high),
        };
        let places = std::iter::successors(Some(self.low), |place| Some(next(*place)));
        let end = self.high * 1.001;
        places.take_while(|place| *place <= end).collect()
    }
}

/// A round number that parts the way from 0 to `high` in two to five.
fn step(high: f64) -> f64 {
    let power = power_below(high);
    let steps = [power / 5.0, power / 2.0, power, power * 2.0];
    let fitting = steps.into_iter().find(|step| high / step <= 5.0);
    fitting.unwrap_or(power)
}

fn power_below(value: f64) -> f64 {
    10f64.powf(value.log10().floor())
}

fn range(values: impl Iterator<Item = f64>) -> (f64, f64) {
    values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| {
        (low.min(value), high.max(value))
    })
}

fn text(out: &mut String, x: f64, y: f64, anchor: &str, text: &str) {
    let _ = writeln!(
        out,
        "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{text}</text>"
    );
}

fn rule(out: &mut String, from: (f64, f64), to: (f64, f64), colour: &str) {
    let _ = writeln!(
        out,
        "<path d=\"M{:.1} {:.1}L{:.1} {:.1}\" stroke=\"{colour}\"/>",
        from.0, from.1, to.0, to.1
    );
}

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 420.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 36.0;
const TOP: f64 = 60.0;
const BOTTOM: f64 = 56.0;
const COLOURS: [&str; 6] = [
    "#0b6fb8", "#777777", "#c8500a", "#b8960b", "#1d8a4e", "#7a4fb5",
];
