//! Tables, printed line by line as they grow, and kept where `README.md` shows them.

use std::fs;
use std::path::{Path, PathBuf};

use super::rounds::{Figures, median, quantile};

/// A Markdown table.
pub(crate) struct Table {
    text: String,
}

impl Table {
    /// Prints the heads of the columns.
    pub(crate) fn new(columns: &[&str]) -> Self {
        let mut table = Self {
            text: String::new(),
        };
        table.row(columns.iter().map(|column| (*column).to_owned()));
        table.line(&"|---".repeat(columns.len()));
        table
    }

    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        let cells: Vec<String> = cells.into_iter().collect();
        self.line(&format!("| {} ", cells.join(" | ")));
    }

    fn line(&mut self, cells: &str) {
        println!("{cells}|");
        self.text.push_str(cells);
        self.text.push_str("|\n");
    }

    /// Puts it into `README.md`.
    pub(crate) fn put_into_readme(&self, name: &str) {
        put_into_readme(name, &self.text);
    }
}

/// Puts a text into `README.md`, between the lines `<!-- name -->` and `<!-- end of name -->`.
pub(crate) fn put_into_readme(name: &str, text: &str) {
    let path = benches().join("README.md");
    let readme = fs::read_to_string(&path).unwrap();
    let (begin, end) = (
        format!("<!-- {name} -->\n"),
        format!("<!-- end of {name} -->"),
    );
    let (before, rest) = readme.split_once(&begin).unwrap();
    let (_, after) = rest.split_once(&end).unwrap();
    fs::write(path, format!("{before}{begin}\n{text}\n{end}{after}")).unwrap();
}

/// The cells of a measured job: time, its ratio to the bare Pingora's, how far that spreads, and what was measured alone.
pub(crate) fn cells(figures: &Figures) -> Vec<String> {
    let ratios = figures.ratios();
    let [low, high, least, most] = [0.25, 0.75, 0.0, 1.0].map(|part| quantile(&ratios, part));
    vec![
        format!("{:.1}", median(&figures.cpu_us)),
        format!("{:.2}", median(&ratios)),
        format!("{low:.2}–{high:.2}"),
        format!("{least:.2}–{most:.2}"),
        format!("{:.0}", figures.per_second),
        format!("{:.1}", figures.p99_us / 1000.0),
        format!("{}", figures.resident_bytes >> 20),
    ]
}

/// The heads of those columns.
pub(crate) const COLUMNS: [&str; 7] = [
    "µs CPU a request",
    "against bare Pingora",
    "middle half",
    "range",
    "requests/s",
    "p99 ms",
    "RSS MiB",
];

/// Where plots are kept: beside `README.md`, or out of the way.
pub(crate) fn plots(kept: bool) -> PathBuf {
    let folder = match kept {
        true => benches().join("plots"),
        false => Path::new(env!("CARGO_TARGET_TMPDIR")).join("plots"),
    };
    fs::create_dir_all(&folder).unwrap();
    folder
}

fn benches() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("benches")
}
