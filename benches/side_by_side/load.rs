//! The load: wrk, with requests that carry session tokens.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::packages;

/// What requests a run sends.
#[derive(Clone)]
pub(crate) struct Load {
    pub(crate) method: &'static str,
    /// In turn.
    pub(crate) targets: Vec<String>,
    pub(crate) body: String,
    /// A file of tokens; without one, requests carry none.
    pub(crate) tokens: Option<PathBuf>,
    /// The status of every answer.
    pub(crate) status: u16,
}

/// How long a run is, over how many connections, and how many tokens it leaves out first.
#[derive(Clone, Copy)]
pub(crate) struct Span {
    pub(crate) seconds: u64,
    pub(crate) connections: usize,
    pub(crate) skip: u64,
}

/// A run that is under way.
pub(crate) struct Running {
    wrk: Child,
    status: u16,
}

/// What a run saw.
pub(crate) struct Ran {
    pub(crate) requests: u64,
    pub(crate) per_second: f64,
    pub(crate) p99_us: f64,
}

impl Load {
    /// Begins to send requests to `address`, on the core of the load.
    pub(crate) fn begin(&self, address: SocketAddr, span: Span) -> Running {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/side_by_side/load.lua");
        let mut wrk = Command::new("taskset");
        wrk.args([
            "-c",
            &CORE.to_string(),
            "wrk",
            "--latency",
            "--timeout",
            "20s",
            "-t1",
        ])
        .arg(format!("-c{}", span.connections))
        .arg(format!("-d{}s", span.seconds))
        .arg("-s")
        .arg(script)
        .arg(format!("http://{address}/"))
        .env("METHOD", self.method)
        .env("TARGETS", self.targets.join(" "))
        .env("BODY", &self.body)
        .env("HOST", address.to_string())
        .env("SKIP", span.skip.to_string());
        if let Some(path) = &self.tokens {
            wrk.env("TOKENS", path);
        }
        wrk.stdin(Stdio::null()).stdout(Stdio::piped());
        Running {
            wrk: wrk.spawn().expect("wrk could not be started"),
            status: self.status,
        }
    }

    /// Sends requests until the run is over.
    pub(crate) fn run(&self, address: SocketAddr, span: Span) -> Ran {
        self.begin(address, span).finish()
    }
}

impl Running {
    /// Waits for the end. Every answer must have had the status that is expected.
    pub(crate) fn finish(self) -> Ran {
        let output = self.wrk.wait_with_output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "wrk failed: {text}");
        let after = |label: &str| {
            let line = text
                .lines()
                .find(|line| line.trim_start().starts_with(label));
            line.map(|line| line.trim_start()[label.len()..].trim().to_owned())
        };
        let requests = text.lines().find(|line| line.contains(" requests in "));
        let requests = requests.unwrap_or_else(|| panic!("wrk says: {text}"));
        let requests: u64 = requests.split_whitespace().next().unwrap().parse().unwrap();
        let refused = after("Non-2xx or 3xx responses:").map_or(0, |count| count.parse().unwrap());
        let expected = if self.status < 400 { 0 } else { requests };
        assert_eq!(refused, expected, "answers with another status: {text}");
        assert!(after("Socket errors:").is_none(), "{text}");
        Ran {
            requests,
            per_second: after("Requests/sec:").unwrap().parse().unwrap(),
            p99_us: microseconds(&after("99%").unwrap()),
        }
    }
}

fn microseconds(text: &str) -> f64 {
    let number = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let scale = match &text[number.len()..] {
        "us" => 1.0,
        "ms" => 1e3,
        "s" => 1e6,
        unit => panic!("wrk prints a unit {unit:?}"),
    };
    number.parse::<f64>().unwrap() * scale
}

/// Installs wrk where that is missing and allowed.
pub(crate) fn need_wrk() {
    let found = packages::need("wrk", "wrk") && packages::need("taskset", "util-linux");
    assert!(
        found && packages::need("curl", "curl"),
        "needs wrk, taskset and curl: apt-get install wrk util-linux curl"
    );
}

/// The core of the load and the app.
pub(crate) const CORE: usize = 0;
