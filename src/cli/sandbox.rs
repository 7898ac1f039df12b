//! `sandbox`: the stand-in for the Chat backend, alone.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

use crate::cli::{CliError, SiteOfFile, choose_site, load, run};
use crate::sandbox::{Answer, Heard, Listener, Sandbox};
use crate::server::{Feed, ListenersFrom, Piece, Reply, Runner, check_addresses};
use crate::time::UnixTime;

/// Run a stand-in for the Chat backend, for demos, tests and load tests
///
/// It verifies UserSigs for the application and key of the configuration, strictly, and answers 27 commands of Chat's REST
/// API from memory: accounts, one-to-one messages, profiles, groups and push, with Chat's own error codes. It can be told
/// to fail, and shows what arrived. It is not Chat: it reaches nothing, delivers nothing and forgets when it ends.
#[derive(clap::Args)]
#[command(
    after_help = "Log in as a Chat SDK does; ErrorCode 0 is a login, 70001 and its kin say what is wrong:
  curl -s http://127.0.0.1:8090/sandbox/login \\
    -d '{\"UserID\":\"27149\",\"SDKAppID\":1400000000,\"UserSig\":\"…\"}'

Let the next three messages fail, then see what arrived (GET /sandbox/ lists all):
  curl -s http://127.0.0.1:8090/sandbox/fail -d '{\"as\":\"60007\",\"next\":3,\"command\":\"openim/sendmsg\"}'
  curl -s http://127.0.0.1:8090/sandbox/calls"
)]
pub(super) struct Serve {
    #[command(flatten)]
    of: SiteOfFile,

    /// Where to listen; a loopback address
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8090")]
    listen: SocketAddr,
}

impl Serve {
    pub(super) fn run(self) -> Result<(), CliError> {
        let config = load(&self.of.file.config)?;
        if !self.listen.ip().is_loopback() {
            let text = "the sandbox listens on loopback only: it is a tool for tests";
            return Err(CliError::Refused(text.to_owned()));
        }
        check_addresses([&self.listen])?;
        run::start_logging(&config)?;
        let mut runner = Runner::new(&config.runtime, ListenersFrom::Configuration);
        let chat = choose_site(config, self.of.site.as_deref())?.chat;
        let sandbox = Sandbox::new(chat.sdk_app_id, chat.keys).with_admin(&chat.admin);
        writeln!(io::stdout(), "sandbox on http://{}/sandbox/", self.listen)?;
        runner.add_app("sandbox", self.listen, move |request| {
            reply(sandbox.answer(request, UnixTime::from(SystemTime::now())))
        });
        runner.run();
        Ok(())
    }
}

/// An answer of the sandbox as the server takes it; neither knows the other.
pub(super) fn reply(answer: Answer) -> Reply {
    match answer {
        Answer::Respond(response) => Reply::Respond(response),
        Answer::RespondAfter(delay, response) => Reply::RespondAfter(delay, response),
        Answer::Cut(delay) => Reply::Cut(delay),
        Answer::Listen(head, listener) => Reply::Stream(head, feed(listener)),
    }
}

fn feed(mut listener: Listener) -> Feed {
    Feed {
        pause: LISTEN_EVERY,
        next: Box::new(
            move || match listener.hear(UnixTime::from(SystemTime::now())) {
                Heard::Lines(lines) => Piece::Data(lines),
                Heard::Nothing => Piece::Nothing,
                Heard::End(line) => Piece::Last(line),
            },
        ),
    }
}

/// So soon a message is heard.
const LISTEN_EVERY: Duration = Duration::from_millis(200);
