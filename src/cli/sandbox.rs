//! `sandbox`: the stand-in for the Chat backend, alone.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::time::SystemTime;

use crate::cli::{CliError, SiteOfFile, choose_site, load, run};
use crate::sandbox::Sandbox;
use crate::server::{Runner, check_addresses};
use crate::time::UnixTime;

/// Run a stand-in for the Chat backend, for tests and load tests
///
/// It verifies UserSigs for the application and key of the configuration, strictly, and answers with Chat's own error
/// codes. It is not Chat: it stores nothing and reaches nothing.
#[derive(clap::Args)]
#[command(
    after_help = "Log in as a Chat SDK does; ErrorCode 0 is a login, 70001 and its kin say what is wrong:
  curl -s http://127.0.0.1:8090/sandbox/login \\
    -d '{\"UserID\":\"27149\",\"SDKAppID\":1400000000,\"UserSig\":\"…\"}'"
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
        run::start_logging(&config);
        let mut runner = Runner::new(&config.runtime);
        let chat = choose_site(config, self.of.site.as_deref())?.chat;
        let sandbox = Sandbox::new(chat.sdk_app_id, chat.keys).with_admin(&chat.admin);
        writeln!(io::stdout(), "sandbox on http://{}/sandbox/", self.listen)?;
        runner.add_app("sandbox", self.listen, move |request| {
            sandbox.answer(request, UnixTime::from(SystemTime::now()))
        });
        runner.run()
    }
}
