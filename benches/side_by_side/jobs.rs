//! The jobs, and the rounds in which the proxy and its peers do them in turn.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use super::app::SEEN;
use super::load::{self, Load};
use super::peers;
use super::process::{Process, free_address};
use super::tokens::{self, AUDIENCE, ISSUER, SECRET, Signing};

/// What is measured, and how long.
pub(crate) struct Options {
    names: Vec<String>,
    rounds: usize,
    seconds: u64,
    users: u64,
    storm: u64,
    peers: bool,
}

impl Options {
    pub(crate) fn parse(arguments: &[&str]) -> Self {
        let mut options = Self {
            names: Vec::new(),
            rounds: 7,
            seconds: 2,
            users: 1000,
            storm: 0,
            peers: true,
        };
        let mut arguments = arguments.iter();
        while let Some(argument) = arguments.next() {
            let mut number = || {
                let value = arguments.next().and_then(|value| value.parse().ok());
                value.unwrap_or_else(|| panic!("{argument} needs a number"))
            };
            match *argument {
                "--bench" => {}
                "--rounds" => options.rounds = usize::try_from(number()).unwrap(),
                "--seconds" => options.seconds = number(),
                "--users" => options.users = number(),
                "--no-peers" => options.peers = false,
                name if name.starts_with('-') => panic!("unknown option {name}"),
                name => options.names.push(name.to_owned()),
            }
        }
        // More new users than any round can ask for; every round of a subject gets its own.
        options.storm = 60_000 * options.seconds * (options.rounds as u64 + 1);
        options
    }

    fn wants(&self, job: &str) -> bool {
        self.names.is_empty() || self.names.iter().any(|name| job.contains(name.as_str()))
    }
}

/// What the proxy is asked to do.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Job {
    /// A public route: nothing but passing through.
    Pass,
    /// Users whose tokens and UserSigs are known.
    Hot(Signing),
    /// Every request is of a user who was never seen.
    Storm(Signing),
    /// Every token has the signature of another one.
    Forged,
    /// No token at all.
    Missing,
}

impl Job {
    const ALL: [Self; 10] = [
        Self::Pass,
        Self::Hot(Signing::Hs256),
        Self::Hot(Signing::Rs256),
        Self::Hot(Signing::Es256),
        Self::Hot(Signing::EdDsa),
        Self::Storm(Signing::Hs256),
        Self::Storm(Signing::Rs256),
        Self::Storm(Signing::Es256),
        Self::Forged,
        Self::Missing,
    ];

    fn name(self) -> String {
        match self {
            Self::Pass => "pass".to_owned(),
            Self::Hot(signing) => format!("hot/{}", signing.name()),
            Self::Storm(signing) => format!("storm/{}", signing.name()),
            Self::Forged => "refuse/forged".to_owned(),
            Self::Missing => "refuse/missing".to_owned(),
        }
    }

    fn signing(self) -> Signing {
        match self {
            Self::Hot(signing) | Self::Storm(signing) => signing,
            Self::Pass | Self::Forged | Self::Missing => Signing::Hs256,
        }
    }

    fn status(self) -> u16 {
        match self {
            Self::Pass | Self::Hot(_) | Self::Storm(_) => 200,
            Self::Forged | Self::Missing => 401,
        }
    }

    fn target(self) -> &'static str {
        match self {
            Self::Pass => "/public/items?page=2",
            _ => "/api/items?page=2",
        }
    }

    fn load(self, folder: &Path, options: &Options) -> Load {
        let count = match self {
            Self::Pass | Self::Missing => None,
            Self::Hot(_) | Self::Forged => Some(options.users),
            Self::Storm(_) => Some(options.storm),
        };
        let tokens = count.map(|count| {
            let path = folder.join(format!("{}.tokens", self.name().replace('/', "-")));
            let is_forged = self == Self::Forged;
            tokens::write(&path, self.signing(), 0..count, is_forged);
            (path, count)
        });
        Load {
            target: self.target(),
            tokens,
            status: self.status(),
        }
    }
}

/// One of those that do a job in turn.
struct Subject {
    name: &'static str,
    process: Process,
    /// Processor time for each request, in microseconds, a round each.
    cpu_us: Vec<f64>,
    per_second: Vec<f64>,
    p99_us: Vec<f64>,
}

/// Runs the jobs that are wanted and prints the table.
pub(crate) fn run(options: &Options) {
    load::need_wrk();
    let folder = TempDir::new().unwrap();
    let app = start_app(folder.path());
    println!(
        "| job | subject | µs CPU a request | against bare Pingora | range | requests/s | p99 µs | RSS MiB |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    for job in Job::ALL {
        if options.wants(&job.name()) {
            measure(job, options, &app, folder.path());
        }
    }
}

fn measure(job: Job, options: &Options, app: &Process, folder: &Path) {
    let load = job.load(folder, options);
    let mut subjects = vec![
        Subject::new("bare Pingora", start_bare(app, folder)),
        Subject::new("usersig-proxy", start_proxy(job.signing(), app, folder)),
    ];
    if options.peers
        && matches!(
            job,
            Job::Pass | Job::Hot(Signing::Hs256) | Job::Storm(Signing::Hs256)
        )
    {
        let peer = peers::nginx_lua(app.address, CORE, options.users, folder);
        subjects.extend(peer.map(|process| Subject::new("nginx + LuaJIT", process)));
    }
    for subject in &subjects {
        check(job, &load, subject, folder);
    }
    // The first round warms everything up and does not count; with very many users it goes on until all are known.
    let warm_seconds = match job {
        Job::Hot(_) => (options.users / 15_000).max(options.seconds),
        _ => options.seconds,
    };
    let mut skipped = 0;
    for round in 0..=options.rounds {
        let mut most = 0;
        for subject in &mut subjects {
            let seconds = if round == 0 {
                warm_seconds
            } else {
                options.seconds
            };
            let load = match (job, subject.name) {
                // It refuses nobody.
                (Job::Forged | Job::Missing, "bare Pingora") => &Load {
                    status: 200,
                    ..load.clone()
                },
                _ => &load,
            };
            let requests = subject.round(load, seconds, skipped, round > 0);
            most = most.max(requests);
        }
        if matches!(job, Job::Storm(_)) {
            // Every subject meets the same users, and none twice.
            skipped += most + 2000;
            assert!(
                skipped + most < options.storm,
                "too few tokens for another round"
            );
        }
    }
    report(job, &subjects);
}

impl Subject {
    fn new(name: &'static str, process: Process) -> Self {
        Self {
            name,
            process,
            cpu_us: Vec::new(),
            per_second: Vec::new(),
            p99_us: Vec::new(),
        }
    }

    fn round(&mut self, load: &Load, seconds: u64, skip: u64, counts: bool) -> u64 {
        let before = self.process.cpu_ns();
        let ran = load.run(self.process.address, seconds, skip);
        let spent = self.process.cpu_ns() - before;
        if counts {
            self.cpu_us
                .push(spent as f64 / 1000.0 / ran.requests as f64);
            self.per_second.push(ran.per_second);
            self.p99_us.push(ran.p99_us);
        }
        ran.requests
    }
}

fn report(job: Job, subjects: &[Subject]) {
    let bare = &subjects[0].cpu_us;
    for subject in subjects {
        let ratios = subject
            .cpu_us
            .iter()
            .zip(bare)
            .map(|(one, bare)| one / bare);
        let mut ratios: Vec<f64> = ratios.collect();
        ratios.sort_by(f64::total_cmp);
        println!(
            "| {} | {} | {:.1} | {:.2} | {:.2}–{:.2} | {:.0} | {:.0} | {} |",
            job.name(),
            subject.name,
            median(&subject.cpu_us),
            median(&ratios),
            ratios[0],
            ratios[ratios.len() - 1],
            median(&subject.per_second),
            median(&subject.p99_us),
            subject.process.resident_bytes() >> 20,
        );
    }
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    match sorted.len() {
        0 => f64::NAN,
        length if length % 2 == 1 => sorted[length / 2],
        length => (sorted[length / 2 - 1] + sorted[length / 2]) / 2.0,
    }
}

/// One answer of the job, looked at: what is timed must be the work that is meant.
fn check(job: Job, load: &Load, subject: &Subject, folder: &Path) {
    let mut curl = Command::new("curl");
    curl.args(["-s", "-D", "-", "-o"]).arg(folder.join("body"));
    if let Some((path, _)) = &load.tokens {
        let text = fs::read_to_string(path).unwrap();
        let token = text.lines().next().unwrap();
        curl.arg("-H").arg(format!("Authorization: Bearer {token}"));
    }
    curl.arg(format!("http://{}{}", subject.process.address, load.target));
    let output = curl.output().expect("needs curl");
    let head = String::from_utf8_lossy(&output.stdout).to_ascii_lowercase();
    let is_bare = subject.name == "bare Pingora";
    let status = if is_bare { 200 } else { job.status() };
    assert!(
        head.starts_with(&format!("http/1.1 {status}")),
        "{} {}: {head}",
        job.name(),
        subject.name
    );
    let user = match job {
        Job::Hot(_) | Job::Storm(_) if !is_bare => tokens::subject(0),
        _ => "-".to_owned(),
    };
    if status == 200 {
        assert!(
            head.contains(&format!("{SEEN}: {user}\r\n")),
            "{} {}: {head}",
            job.name(),
            subject.name
        );
        let injected = head.contains("\r\nx-chat-usersig: ej");
        assert_eq!(
            injected,
            user != "-",
            "{} {}: {head}",
            job.name(),
            subject.name
        );
        let body = fs::metadata(folder.join("body")).unwrap().len();
        assert_eq!(body, super::app::BODY_BYTES as u64);
    }
}

fn start_app(folder: &Path) -> Process {
    let address = free_address();
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["app", &address.to_string()]);
    Process::start(command, load::CORE, address, &folder.join("app.log"))
}

fn start_bare(app: &Process, folder: &Path) -> Process {
    let address = free_address();
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["bare", &address.to_string(), &app.address.to_string()]);
    Process::start(command, CORE, address, &folder.join("bare.log"))
}

fn start_proxy(signing: Signing, app: &Process, folder: &Path) -> Process {
    let address = free_address();
    let config = folder.join("proxy.toml");
    write_secret(&folder.join("chat-key"), peers::CHAT_KEY);
    write_secret(&folder.join("session-secret"), SECRET);
    let keys = match signing.public_key() {
        Some(path) => format!("{{ public_key = {:?} }}", path.to_str().unwrap()),
        None => "{ secret = { file = \"session-secret\" } }".to_owned(),
    };
    let text = format!(
        r#"
[listen]
http = ["{address}"]
[ops]
listen = "{ops}"
[runtime]
threads = 1
[[upstream]]
name = "app"
servers = ["http://{app}"]
[chat]
sdk_app_id = {SDK_APP_ID}
secret_key = {{ file = "chat-key" }}
admin = "administrator"
[session]
from = [{{ header = "Authorization", scheme = "Bearer" }}, {{ cookie = "session" }}]
[[session.issuer]]
name = "app"
issuer = "{ISSUER}"
audience = ["{AUDIENCE}"]
algorithms = ["{algorithm}"]
keys = {keys}
[identity]
reserved = ["administrator"]
[routes]
default_access = "deny"
[[route]]
match = {{ path = "/public/{{*rest}}" }}
access = "public"
[[route]]
match = {{ path = "/api/{{*rest}}" }}
access = "session"
inject = {{ request_headers = true, response_headers = true }}
[usersig_endpoint]
"#,
        ops = free_address(),
        app = app.address,
        algorithm = signing.name(),
    );
    fs::write(&config, text).unwrap();
    let mut command = Command::new(proxy_program());
    command.arg("run").arg("--config").arg(&config);
    Process::start(command, CORE, address, &folder.join("proxy.log"))
}

/// The program, or the one that the environment names: to compare two builds.
fn proxy_program() -> PathBuf {
    let other = std::env::var_os("USERSIG_PROXY_PROGRAM");
    other.map_or_else(|| env!("CARGO_BIN_EXE_usersig-proxy").into(), PathBuf::from)
}

fn write_secret(path: &Path, text: &str) {
    use std::os::unix::fs::PermissionsExt;
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

/// The core of what is measured.
const CORE: usize = 1;
pub(crate) const SDK_APP_ID: u32 = 1_400_007_357;
