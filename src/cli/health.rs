//! `health`: a probe for containers whose image has no shell and no curl.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, ToSocketAddrs};
use std::path::PathBuf;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use url::Url;

use crate::cli::{CONFIG_VARIABLE, CliError};
use crate::config;

/// Ask a running proxy whether it is ready, or alive
///
/// Asks the ops listener for /readyz, or with --live for /healthz, and prints what it says. Where it listens is said by
/// --url, else by the [ops] of a configuration, of which nothing else is read: neither secrets nor errors elsewhere in it
/// matter. Exit code 0: yes; 1: no, or no answer in time; 2: wrong usage, or the configuration cannot be read.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  usersig-proxy health --config /etc/usersig-proxy/proxy.toml
  usersig-proxy health --live --url http://127.0.0.1:9090

In a container image:
  HEALTHCHECK CMD [\"usersig-proxy\", \"health\"]")]
pub(super) struct Health {
    /// The configuration of the running proxy [env: USERSIG_PROXY_CONFIG]
    #[arg(short, long, value_name = "FILE", conflicts_with = "url")]
    config: Option<PathBuf>,

    /// Where its ops listener is [default: that of the configuration, else http://127.0.0.1:9090]
    #[arg(long, value_name = "URL", value_parser = parse_url)]
    url: Option<Url>,

    /// Ask whether it is alive (/healthz), not whether it takes requests (/readyz)
    #[arg(long)]
    live: bool,

    /// How long to wait in all
    #[arg(long, value_name = "DURATION", default_value = "3s", value_parser = parse_timeout)]
    timeout: Duration,
}

/// What the ops listener answered.
struct Answer {
    status: u16,
    text: String,
}

impl Health {
    pub(super) fn run(self) -> Result<(), CliError> {
        let path = match self.live {
            true => "/healthz",
            false => "/readyz",
        };
        let authority = self.authority()?;
        let timeout = self.timeout;
        let asked = authority.clone();
        let (sender, answer) = mpsc::channel();
        // In a thread of its own, because nothing bounds the look-up of a name; it ends with the process.
        thread::spawn(move || sender.send(ask(&asked, path, timeout)));
        let refuse = |why: String| CliError::Refused(format!("http://{authority}{path}: {why}"));
        let answer = answer
            .recv_timeout(timeout)
            .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
            .map_err(|error| refuse(no_answer(&error, timeout)))?;
        if answer.status == 200 {
            return Ok(writeln!(io::stdout(), "{}", answer.text)?);
        }
        Err(refuse(format!("{}: {}", answer.status, answer.text)))
    }

    /// Host and port of the ops listener.
    fn authority(&self) -> Result<String, CliError> {
        if let Some(url) = &self.url {
            let host = url.host_str().unwrap_or_default();
            return Ok(format!("{host}:{}", url.port().unwrap_or(80)));
        }
        let of_environment = || std::env::var_os(CONFIG_VARIABLE).map(PathBuf::from);
        let address = match self.config.clone().or_else(of_environment) {
            Some(file) => config::ops_address(&file).map_err(CliError::Config)?,
            None => config::DEFAULT_OPS,
        };
        Ok(reachable(address).to_string())
    }
}

/// Where a listener on every address is asked.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

fn ask(authority: &str, path: &str, timeout: Duration) -> io::Result<Answer> {
    let end = Instant::now() + timeout;
    let left = || {
        let left = end.saturating_duration_since(Instant::now());
        left.max(Duration::from_millis(1))
    };
    let mut last = io::Error::from(io::ErrorKind::NotFound);
    for address in authority.to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, left()) {
            Ok(mut stream) => {
                stream.set_read_timeout(Some(left()))?;
                stream.set_write_timeout(Some(left()))?;
                let request = format!(
                    "GET {path} HTTP/1.1\r\nHost: {authority}\r\nConnection: close\r\n\r\n"
                );
                stream.write_all(request.as_bytes())?;
                return receive(stream);
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// Reads an answer to its end, which is that of its length where it has one, else that of the connection.
fn receive(stream: TcpStream) -> io::Result<Answer> {
    let mut answer = Vec::new();
    let mut stream = stream.take(MAX_ANSWER_BYTES);
    let mut buffer = [0; 4096];
    loop {
        let length = stream.read(&mut buffer)?;
        answer.extend_from_slice(buffer.get(..length).unwrap_or_default());
        match read(&answer) {
            Some((found, true)) => return Ok(found),
            Some((found, false)) if length == 0 => return Ok(found),
            None if length == 0 => return Err(io::ErrorKind::InvalidData.into()),
            Some(_) | None => {}
        }
    }
}

/// Status and body of what has arrived, and whether it is all that comes; `None` before the head is complete.
fn read(answer: &[u8]) -> Option<(Answer, bool)> {
    let answer = String::from_utf8_lossy(answer);
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let mut lines = head.lines();
    let status = lines.next()?.strip_prefix("HTTP/1.")?.split(' ').nth(1)?;
    let length = lines
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .and_then(|(_, length)| length.trim().parse::<usize>().ok());
    let is_shown = |letter: &char| !letter.is_control() || *letter == '\n';
    let found = Answer {
        status: status.parse().ok()?,
        text: body.trim_end().chars().filter(is_shown).collect(),
    };
    Some((found, length.is_some_and(|length| body.len() >= length)))
}

fn no_answer(error: &io::Error, timeout: Duration) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => {
            "nobody listens there: the proxy does not run, or [ops] listen is elsewhere".to_owned()
        }
        io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => {
            let timeout = humantime::format_duration(timeout);
            format!("no answer within {timeout}")
        }
        io::ErrorKind::InvalidData => "what answers there does not speak HTTP".to_owned(),
        _ => error.to_string(),
    }
}

fn parse_url(text: &str) -> Result<Url, &'static str> {
    let url = Url::parse(text).map_err(|_| FORM)?;
    let is_plain = url.scheme() == "http"
        && url.has_host()
        && url.path() == "/"
        && [url.username(), url.password().unwrap_or_default()] == ["", ""]
        && url.query().is_none();
    is_plain.then_some(url).ok_or(FORM)
}

fn parse_timeout(text: &str) -> Result<Duration, String> {
    let timeout = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    match (Duration::from_millis(1)..=Duration::from_secs(3600)).contains(&timeout) {
        true => Ok(timeout),
        false => Err("from 1ms to 1h".to_owned()),
    }
}

const FORM: &str = "http, host and port, as in http://127.0.0.1:9090";
const MAX_ANSWER_BYTES: u64 = 64 * 1024;
