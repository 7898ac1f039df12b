//! Memory of a body that is under way, in `memory/…`: what a stalled client or app can make the proxy hold.
//!
//! The app sends an answer but for its last byte, to many clients at once; the difference that more of them make, by their
//! number, is what one takes, its connections included.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::thread;
use std::time::Duration;

use super::job::message;
use super::options::Options;
use super::report::Table;
use super::subjects::{LOGIN_ROUTE, REST_API, Settings, Subject, World};
use super::tokens::{Signing, Tokens};

/// What is under way.
struct Case {
    name: &'static str,
    target: String,
    body: String,
    /// How much of it there is for one request.
    bytes: usize,
}

/// Prints a row for each case that is wanted.
pub(crate) fn run(options: &Options, world: &World) {
    let cases = cases();
    let wanted: Vec<&Case> = cases
        .iter()
        .filter(|case| options.wants(case.name))
        .collect();
    if wanted.is_empty() {
        return;
    }
    let token = token(world);
    let mut table = Table::new(&["under way", "bytes of each", BARE_COLUMN, PROXY_COLUMN]);
    for case in &wanted {
        let mut settings = Settings::of(Signing::Hs256);
        settings.sections.push_str(LOGIN_ROUTE);
        settings.sections.push_str(REST_API);
        let subjects = [world.bare(), world.proxy(&settings)];
        let taken = subjects.map(|subject| case.kib_for_each(&subject, &token));
        let [bare, proxy] = taken.map(|kib| format!("{kib:.0}"));
        table.row([case.name.to_owned(), case.bytes.to_string(), bare, proxy]);
    }
    if options.write && wanted.len() == cases.len() {
        table.put_into_readme("memory");
    }
}

fn cases() -> [Case; 5] {
    let hold = |bytes: usize| format!("hold={bytes}");
    let rest = "/_chat/v4/openim/sendmsg";
    let [kib, body, answer] = [1 << 10, 64 << 10, 1 << 20];
    let case = |name, target: &str, body: String, bytes| Case {
        name,
        target: target.to_owned(),
        body,
        bytes,
    };
    [
        case(
            "memory/login_answer_1k",
            "/login?hold=1024",
            "{}".to_owned(),
            kib,
        ),
        case(
            "memory/login_answer_1m",
            "/login?hold=1048576",
            "{}".to_owned(),
            answer,
        ),
        case("memory/rest_1k", rest, message(kib, &hold(kib)), 2 * kib),
        case(
            "memory/rest_body_64k",
            rest,
            message(body, &hold(kib)),
            body + kib,
        ),
        case(
            "memory/rest_answer_1m",
            rest,
            message(kib, &hold(answer)),
            answer + kib,
        ),
    ]
}

impl Case {
    /// Resident KiB for each request more that is under way, when some are.
    fn kib_for_each(&self, subject: &Subject, token: &str) -> f64 {
        let send = |_| self.send(subject.process.address, token);
        let mut clients: Vec<Client> = (0..SOME).map(send).collect();
        let before = settled(subject);
        clients.extend((0..MORE).map(send));
        let after = settled(subject);
        after.saturating_sub(before) as f64 / 1024.0 / f64::from(MORE)
    }

    /// Sends the request, on a connection that stays open, and reads away what comes.
    fn send(&self, address: SocketAddr, token: &str) -> Client {
        let mut stream = TcpStream::connect(address).unwrap();
        let Self { target, body, .. } = self;
        let head = format!(
            "POST {target} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(body.as_bytes()).unwrap();
        let mut reader = stream.try_clone().unwrap();
        thread::spawn(move || {
            let mut bytes = vec![0; 64 << 10];
            while matches!(reader.read(&mut bytes), Ok(1..)) {}
        });
        Client(stream)
    }
}

/// A connection, which ends with this value.
struct Client(TcpStream);

impl Drop for Client {
    fn drop(&mut self) {
        let _ = self.0.shutdown(Shutdown::Both);
    }
}

/// Resident memory once it stays the same.
fn settled(subject: &Subject) -> u64 {
    let mut last = 0;
    let mut same = 0;
    while same < SAME {
        thread::sleep(SAMPLE);
        let now = subject.process.resident_bytes();
        same = if now == last { same + 1 } else { 0 };
        last = now;
    }
    last
}

fn token(world: &World) -> String {
    let tokens = Tokens {
        signing: Signing::Hs256,
        forged: false,
        users: 1,
    };
    let mut file = world.token_file("memory", tokens);
    file.grow(1);
    let text = std::fs::read_to_string(file.path).unwrap();
    text.trim_end().to_owned()
}

const BARE_COLUMN: &str = "bare Pingora, KiB each";
const PROXY_COLUMN: &str = "usersig-proxy, KiB each";
const SOME: u32 = 64;
const MORE: u32 = 192;
const SAMPLE: Duration = Duration::from_millis(100);
const SAME: usize = 10;
