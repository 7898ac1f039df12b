//! What the curves run along.

use crate::app::BODY_BYTES;
use crate::job::{Job, message};
use crate::options::Options;
use crate::plot::Plot;
use crate::subjects::Settings;
use crate::tokens::Signing;

/// A curve, or several over the same axis.
pub(super) struct Axis {
    pub(super) name: &'static str,
    /// Whether the bare Pingora has the same to do at every point.
    pub(super) same_for_bare: bool,
    /// Without its lines.
    pub(super) plot: Plot,
    pub(super) rows: Vec<Row>,
    /// What is not measured, and why.
    pub(super) left_out: Vec<String>,
}

/// One line.
pub(super) struct Row {
    pub(super) label: String,
    pub(super) job: Job,
    pub(super) points: Vec<Point>,
}

/// What is measured at one place.
pub(super) struct Point {
    pub(super) x: u64,
    pub(super) settings: Settings,
    pub(super) targets: Vec<String>,
    pub(super) body: String,
    pub(super) answer_bytes: usize,
    pub(super) users: u64,
    pub(super) tokens: u64,
    /// How many requests come before it counts.
    pub(super) warm_requests: u64,
}

pub(super) fn all(options: &Options) -> [Axis; 4] {
    [users(options), tokens(options), routes(), bytes()]
}

/// Each user has one token, and there is room for all of them.
fn users(options: &Options) -> Axis {
    let (points, left_out) = powers(options, "users", |users| Point {
        users,
        tokens: users,
        warm_requests: users + users / 10,
        settings: Settings {
            token_memory: BYTES_A_TOKEN * users.max(100_000),
            usersig_cache: users.max(500_000) * 2,
            ..Settings::of(Signing::Hs256)
        },
        ..Point::hot(users)
    });
    Axis {
        name: "users",
        same_for_bare: true,
        plot: plot(
            "CPU time of a request against users",
            "users, each with a token; all are known",
            count,
        ),
        rows: vec![row("usersig-proxy", HOT, points)],
        left_out,
    }
}

/// A thousand users have more and more tokens, and the memory of tokens has its default size.
fn tokens(options: &Options) -> Axis {
    let (points, left_out) = powers(options, "tokens", |tokens| Point {
        tokens,
        warm_requests: tokens.min(FILLS_THE_MEMORY),
        ..Point::hot(tokens)
    });
    Axis {
        name: "tokens",
        same_for_bare: true,
        plot: plot(
            "CPU time of a request against session tokens",
            "tokens of 1,000 users, in turn; 64 MiB of them are remembered",
            count,
        ),
        rows: vec![row("usersig-proxy", HOT, points)],
        left_out,
    }
}

/// The targets lie evenly over the whole table, and their number stays the same.
fn routes() -> Axis {
    let points = [1, 10, 100, 1000, 10_000].map(|routes: u64| {
        let mut point = Point::hot(routes);
        let target = |number| format!("/api/resource-{number}/27149?page=2");
        point.targets = (0..TARGETS)
            .map(|index| target(index * routes / TARGETS))
            .collect();
        point.settings.sections = "[routes]\ndefault_access = \"deny\"\n".to_owned();
        for number in 0..routes {
            point.settings.sections.push_str(&format!(
                "[[route]]\nmatch = {{ path = \"/api/resource-{number}/{{id}}\" }}\naccess = \"session\"\n\
                 inject = {{ request_headers = true, response_headers = true }}\n"
            ));
        }
        point
    });
    Axis {
        name: "routes",
        same_for_bare: true,
        plot: plot(
            "CPU time of a request against routes",
            "routes; 100 paths spread over them",
            count,
        ),
        rows: vec![row("usersig-proxy", HOT, points.into())],
        left_out: Vec::new(),
    }
}

/// The answer passes through, is held back for a login, or the request's body goes to Chat.
fn bytes() -> Axis {
    let sizes = [1, 4, 16, 64, 256, 1024].map(|kib: usize| kib << 10);
    let through = sizes.map(|bytes| Point {
        targets: vec![format!("/api/items?bytes={bytes}")],
        answer_bytes: bytes,
        ..Point::hot(bytes as u64)
    });
    let login = sizes.map(|bytes| Point {
        targets: vec![format!("/login?bytes={bytes}")],
        answer_bytes: bytes,
        settings: Job::LoginAnswer.settings(),
        body: "{}".to_owned(),
        ..Point::hot(bytes as u64)
    });
    // A call has 64 KiB at most.
    let rest = sizes[..4].iter().map(|bytes| Point {
        targets: vec!["/_chat/v4/openim/sendmsg".to_owned()],
        settings: Job::Rest.settings(),
        body: message(*bytes, ""),
        ..Point::hot(*bytes as u64)
    });
    Axis {
        name: "bytes",
        same_for_bare: false,
        plot: Plot {
            has_log_y: true,
            ..plot(
                "CPU time of a request against the size of its body",
                "size of the body",
                size,
            )
        },
        rows: vec![
            row("answer passes through", HOT, through.into()),
            row(
                "login written into the answer",
                Job::LoginAnswer,
                login.into(),
            ),
            row("body of a REST call", Job::Rest, rest.collect()),
        ],
        left_out: Vec::new(),
    }
}

impl Point {
    /// A thousand users who are known.
    fn hot(x: u64) -> Self {
        Self {
            x,
            settings: Settings::of(Signing::Hs256),
            targets: vec!["/api/items?page=2".to_owned()],
            body: String::new(),
            answer_bytes: BODY_BYTES,
            users: 1000,
            tokens: 1000,
            warm_requests: 1000,
        }
    }
}

/// A point for each power of ten, and what is said about those that are too many.
fn powers(
    options: &Options,
    what: &str,
    point: impl Fn(u64) -> Point,
) -> (Vec<Point>, Vec<String>) {
    let all = [3, 4, 5, 6, 7].map(|exponent| 10u64.pow(exponent));
    let (few, many): (Vec<u64>, Vec<u64>) = all
        .into_iter()
        .partition(|count| *count <= options.most_users);
    let say =
        |count: u64| format!("{count} {what} are left out: `--most-users {count}` takes them in");
    (
        few.into_iter().map(point).collect(),
        many.into_iter().map(say).collect(),
    )
}

fn row(label: &str, job: Job, points: Vec<Point>) -> Row {
    Row {
        label: label.to_owned(),
        job,
        points,
    }
}

fn plot(title: &'static str, x_label: &'static str, x_name: fn(f64) -> String) -> Plot {
    Plot {
        title,
        x_label,
        y_label: "µs CPU a request",
        has_log_y: false,
        lines: Vec::new(),
        x_name,
    }
}

fn count(value: f64) -> String {
    match value as u64 {
        thousands @ 1_000..1_000_000 => format!("{} k", thousands / 1000),
        millions @ 1_000_000.. => format!("{} M", millions / 1_000_000),
        few => few.to_string(),
    }
}

fn size(value: f64) -> String {
    match value as u64 >> 10 {
        kib @ ..1024 => format!("{kib} KiB"),
        kib => format!("{} MiB", kib >> 10),
    }
}

const HOT: Job = Job::Hot(Signing::Hs256);
const TARGETS: u64 = 100;
/// What the memory of tokens takes for one, and some more.
const BYTES_A_TOKEN: u64 = 640;
/// More tokens than 64 MiB of memory hold.
const FILLS_THE_MEMORY: u64 = 300_000;
