//! How the cost of a request grows with users, tokens, routes and bytes: each point is a pair with the bare Pingora.

mod axes;

use std::fs;
use std::time::Instant;

use self::axes::{Axis, Point, Row};
use super::check;
use super::load::{Load, Span};
use super::options::Options;
use super::plot::{Dot, Line, Plot};
use super::report;
use super::rounds::{self, Figures, Supply, median, quantile};
use super::subjects::{Subject, World};
use super::tokens::TokenFile;

/// Draws the curves that are wanted: a table and a plot each.
pub(crate) fn run(options: &Options, world: &World) {
    let axes = axes::all(options);
    let wanted = |axis: &&Axis| options.wants(&format!("curve/{}", axis.name));
    let wanted: Vec<&Axis> = axes.iter().filter(wanted).collect();
    for axis in &wanted {
        draw(axis, options, world);
    }
    if options.write && wanted.len() == axes.len() {
        let lines = axes.iter().map(|axis| {
            let Axis { name, plot, .. } = axis;
            let notes = axis.left_out.iter().map(|note| format!("{note}.\n"));
            let notes: String = notes.collect();
            format!("![{}](plots/{name}.svg)\n\n{notes}\n", plot.title)
        });
        report::put_into_readme("curves", lines.collect::<String>().trim_end());
    }
}

/// A point that was measured.
struct Measured {
    x: u64,
    figures: Figures,
}

fn draw(axis: &Axis, options: &Options, world: &World) {
    let mut table = Lines::default();
    table.add(&format!("# {}", axis.plot.title));
    table.add(&COLUMNS.join("\t"));
    let mut measured = Vec::new();
    for row in &axis.rows {
        let points = row.points.iter().map(|point| {
            let figures = measure(row, point, options, world);
            let x = point.x;
            let one = Measured { x, figures };
            table.add(&one.cells(&row.label).join("\t"));
            one
        });
        measured.push(points.collect::<Vec<_>>());
    }
    for note in &axis.left_out {
        table.add(&format!("# {note}"));
    }
    let plot = Plot {
        lines: lines(axis, &measured),
        ..axis.plot.clone()
    };
    let folder = report::plots(options.write);
    fs::write(folder.join(format!("{}.tsv", axis.name)), table.0).unwrap();
    fs::write(folder.join(format!("{}.svg", axis.name)), plot.svg()).unwrap();
    println!("# written to {}", folder.display());
}

/// Text that is printed as it grows.
#[derive(Default)]
struct Lines(String);

impl Lines {
    fn add(&mut self, line: &str) {
        println!("{line}");
        self.0.push_str(line);
        self.0.push('\n');
    }
}

/// The lines of the proxy and, with the first row, that of the bare Pingora.
///
/// Where every point asks the same of the bare Pingora, its own times differ with the moment only. They are then taken for
/// their median, and the proxy's for so many times that as the two differ in the same rounds.
fn lines(axis: &Axis, measured: &[Vec<Measured>]) -> Vec<Line> {
    let all = measured.iter().flatten();
    let bare: Vec<f64> = all
        .flat_map(|one| one.figures.bare_cpu_us.clone())
        .collect();
    let usual = axis.same_for_bare.then(|| median(&bare));
    let rows = axis.rows.iter().zip(measured);
    let mut lines: Vec<Line> = rows
        .map(|(row, measured)| {
            line(&row.label, measured, |figures| match usual {
                Some(usual) => figures.ratios().iter().map(|ratio| ratio * usual).collect(),
                None => figures.cpu_us.clone(),
            })
        })
        .collect();
    let bare = line("bare Pingora", &measured[0], |figures| match usual {
        Some(usual) => vec![usual],
        None => figures.bare_cpu_us.clone(),
    });
    lines.insert(
        1,
        Line {
            dashed: true,
            ..bare
        },
    );
    lines
}

fn line(label: &str, measured: &[Measured], values: impl Fn(&Figures) -> Vec<f64>) -> Line {
    let dot = |one: &Measured| {
        let values = values(&one.figures);
        let [low, y, high] = [0.25, 0.5, 0.75].map(|part| quantile(&values, part));
        Dot {
            x: one.x as f64,
            y,
            low,
            high,
        }
    };
    Line {
        label: label.to_owned(),
        dashed: false,
        points: measured.iter().map(dot).collect(),
    }
}

impl Measured {
    fn cells(&self, label: &str) -> Vec<String> {
        let ratios = self.figures.ratios();
        let [low, middle, high] = [0.25, 0.5, 0.75].map(|part| quantile(&ratios, part));
        vec![
            label.to_owned(),
            self.x.to_string(),
            format!("{:.1}", median(&self.figures.cpu_us)),
            format!("{:.1}", median(&self.figures.bare_cpu_us)),
            format!("{middle:.2}"),
            format!("{low:.2}–{high:.2}"),
            format!("{}", self.figures.resident_bytes >> 20),
        ]
    }
}

fn measure(row: &Row, point: &Point, options: &Options, world: &World) -> Figures {
    let mut tokens = row.job.tokens(point.users).map(|tokens| {
        let name = format!("{}-{}", row.label, point.x).replace(' ', "-");
        let mut file = world.token_file(&name, tokens);
        let begun = Instant::now();
        file.grow(point.tokens);
        if point.tokens >= WORTH_TELLING {
            eprintln!("{} tokens made in {:.0?}", point.tokens, begun.elapsed());
        }
        file
    });
    let load = Load {
        targets: point.targets.clone(),
        body: point.body.clone(),
        ..row.job.load(tokens.as_ref())
    };
    let (bare, proxy) = (world.bare(), world.proxy(&point.settings));
    for subject in [&bare, &proxy] {
        let answer = check::fetch(subject, &load, 0, world.folder());
        row.job
            .judge(&answer, 0, point.answer_bytes, subject.does_the_job);
    }
    let mut supply = Round::new(tokens.as_ref());
    warm(&proxy, &load, point.warm_requests, &mut supply);
    let mut figures = Figures::default();
    let pair = [(&bare, &load), (&proxy, &load)];
    let mut length = options.length();
    length.rounds = length.rounds.div_ceil(2);
    rounds::in_pairs(pair, &mut figures, length, &mut supply);
    figures.resident_bytes = proxy.process.resident_bytes();
    if let Some(file) = tokens.take() {
        fs::remove_file(file.path).unwrap();
    }
    figures
}

/// Sends requests until there were so many.
fn warm(subject: &Subject, load: &Load, requests: u64, supply: &mut Round) {
    let begun = Instant::now();
    let mut sent = 0;
    while sent < requests {
        let span = Span {
            seconds: WARM_SECONDS,
            connections: rounds::CONNECTIONS,
            skip: supply.before(WARM_SECONDS),
        };
        let ran = load.run(subject.process.address, span);
        supply.after(ran.requests);
        sent += ran.requests;
    }
    if requests >= WORTH_TELLING {
        eprintln!(
            "{sent} requests before the first round, in {:.0?}",
            begun.elapsed()
        );
    }
}

/// Goes on in the file where the last run ended.
struct Round {
    tokens: u64,
    at: u64,
}

impl Round {
    fn new(tokens: Option<&TokenFile>) -> Self {
        Self {
            tokens: tokens.map_or(1, |file| file.count),
            at: 0,
        }
    }
}

impl Supply for Round {
    fn before(&mut self, _seconds: u64) -> u64 {
        self.at
    }

    fn after(&mut self, requests: u64) {
        self.at = (self.at + requests) % self.tokens;
    }
}

const COLUMNS: [&str; 7] = [
    "line",
    "x",
    "µs CPU a request",
    "bare Pingora's",
    "ratio",
    "middle half",
    "RSS MiB",
];
const WARM_SECONDS: u64 = 2;
const WORTH_TELLING: u64 = 100_000;
