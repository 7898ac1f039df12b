//! The load: wrk, with requests that carry session tokens.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What requests a run sends.
#[derive(Clone)]
pub(crate) struct Load {
    pub(crate) target: &'static str,
    /// A file of tokens, and how many it has; without one, requests carry none.
    pub(crate) tokens: Option<(PathBuf, u64)>,
    /// The status of every answer.
    pub(crate) status: u16,
}

/// What a run saw.
pub(crate) struct Ran {
    pub(crate) requests: u64,
    pub(crate) per_second: f64,
    pub(crate) p99_us: f64,
}

impl Load {
    /// Sends requests to `address` for so many seconds, leaving out the first `skip` tokens. Every answer must have the
    /// status that is expected.
    pub(crate) fn run(&self, address: SocketAddr, seconds: u64, skip: u64) -> Ran {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/side_by_side/load.lua");
        let mut wrk = Command::new("taskset");
        wrk.args(["-c", &CORE.to_string(), "wrk", "--latency", "-t1"])
            .arg(format!("-c{CONNECTIONS}"))
            .arg(format!("-d{seconds}s"))
            .arg("-s")
            .arg(script)
            .arg(format!("http://{address}{}", self.target))
            .env("TARGET", self.target)
            .env("HOST", address.to_string())
            .env("SKIP", skip.to_string());
        if let Some((path, count)) = &self.tokens {
            wrk.env("TOKENS", path).env("LINES", count.to_string());
        }
        let output = wrk.output().expect("wrk could not be started");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "wrk failed: {text}");
        self.read(&text)
    }

    fn read(&self, text: &str) -> Ran {
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
    let has = |name: &str| {
        let found = Command::new("sh")
            .args(["-c", &format!("command -v {name}")])
            .output();
        found.is_ok_and(|found| found.status.success())
    };
    if !has("wrk") {
        let install = "apt-get update -q && apt-get install -qy --no-install-recommends wrk";
        let _ = Command::new("sh").args(["-c", install]).output();
    }
    assert!(
        has("wrk") && has("taskset"),
        "needs wrk and util-linux: apt-get install wrk util-linux"
    );
}

/// The core of the load and the app.
pub(crate) const CORE: usize = 0;
const CONNECTIONS: usize = 64;
