//! `demo`: the whole job in one process, with nothing to set up.

use std::fs;
use std::io::{self, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, SystemTime};

use tokio::net::TcpSocket;

use crate::cli::sandbox::reply;
use crate::cli::{CliError, load, run};
use crate::config::{Chat, Config};
use crate::demo::{ACCOUNTS, DemoApp, DemoKeys};
use crate::sandbox::Sandbox;
use crate::secret::SecretBytes;
use crate::server::{ListenersFrom, Reply, Runner, check_addresses};
use crate::time::UnixTime;

/// Show the main job: an app, the proxy in front of it and a stand-in for Chat
///
/// The app has a login form and a JSON API and signs its own session tokens; it knows nothing of Chat. The proxy adds the
/// UserSig. Prints `curl` lines to try, and what they answer. Ctrl-C ends it.
#[derive(clap::Args)]
pub(super) struct Demo {
    /// Where the proxy listens; a loopback address
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
}

/// The addresses of one demo.
struct Addresses {
    proxy: SocketAddr,
    ops: SocketAddr,
    app: SocketAddr,
    sandbox: SocketAddr,
}

impl Addresses {
    /// Prints what to try as soon as all of it answers: the services start in no order.
    fn announce(&self) {
        for address in [self.proxy, self.ops, self.app, self.sandbox] {
            while TcpStream::connect(address).is_err() {
                thread::sleep(LOOK_EVERY);
            }
        }
        // An error means that nobody reads.
        let _ = writeln!(io::stdout(), "{}", instructions(self));
    }
}

impl Demo {
    pub(super) fn run(self) -> Result<(), CliError> {
        if !self.listen.ip().is_loopback() {
            let text = "the demo listens on loopback only: its keys and passwords are public";
            return Err(CliError::Refused(text.to_owned()));
        }
        check_addresses([&self.listen])?;
        let held = [hold()?, hold()?, hold()?];
        let [ops, app, chat] = held.each_ref().map(TcpSocket::local_addr);
        let addresses = Addresses {
            proxy: self.listen,
            ops: ops?,
            app: app?,
            sandbox: chat?,
        };
        let config = demo_config(&addresses)?;
        run::start_logging(&config)?;
        let mut runner = Runner::new(&config.runtime, ListenersFrom::Configuration);
        for site in &config.sites {
            let sandbox = sandbox(&site.chat);
            add_app(&mut runner, addresses.app, sandbox.clone())?;
            runner.add_app("sandbox", addresses.sandbox, move |request| {
                reply(sandbox.answer(request, now()))
            });
        }
        runner.add_proxy(config, None)?;
        thread::spawn(move || addresses.announce());
        runner.run();
        Ok(())
    }
}

/// The quickstart configuration on this demo's addresses, read like any other from its folder.
fn demo_config(addresses: &Addresses) -> Result<Config, CliError> {
    let folder = Folder::create()?;
    let config = QUICKSTART
        .replace("127.0.0.1:8080", &addresses.proxy.to_string())
        .replace("127.0.0.1:9090", &addresses.ops.to_string())
        .replace("127.0.0.1:3000", &addresses.app.to_string())
        .replace("127.0.0.1:8090", &addresses.sandbox.to_string());
    fs::create_dir(folder.0.join("demo"))?;
    for (name, text) in [
        ("demo/chat-secret-key", CHAT_SECRET_KEY),
        ("demo/session-secret", SESSION_SECRET),
        ("demo/session-public.pem", SESSION_PUBLIC),
        ("quickstart.toml", &config),
    ] {
        fs::write(folder.0.join(name), text)?;
    }
    load(&folder.0.join("quickstart.toml"))
}

/// The app, and beside it what its page's stand-in for a Chat SDK speaks to: a page may only call where it came from.
fn add_app(runner: &mut Runner, address: SocketAddr, sandbox: Sandbox) -> Result<(), CliError> {
    let secret = SecretBytes::new(SESSION_SECRET.trim_end().as_bytes().to_vec());
    let keys = DemoKeys::new(&secret, SESSION_PRIVATE.as_bytes())
        .map_err(|error| CliError::Refused(error.to_string()))?;
    let app = DemoApp::new(keys);
    runner.add_app("app", address, move |request| {
        match CLIENT_PATHS.contains(&request.uri().path()) {
            true => reply(sandbox.answer(request, now())),
            false => Reply::from(app.answer(request, now())),
        }
    });
    Ok(())
}

/// Chat with its administrator and an account for each user of the app.
fn sandbox(chat: &Chat) -> Sandbox {
    let sandbox = Sandbox::new(chat.sdk_app_id, chat.keys.clone()).with_admin(&chat.admin);
    let users = ACCOUNTS.iter().map(|account| account.user.id);
    users.fold(sandbox, Sandbox::with_account)
}

fn now() -> UnixTime {
    UnixTime::from(SystemTime::now())
}

/// What to try. A line with `$` is for a shell; the line below it is what it answers, `…` standing for what varies.
fn instructions(addresses: &Addresses) -> String {
    INSTRUCTIONS
        .replace("{proxy}", &addresses.proxy.to_string())
        .replace("{sandbox}", &addresses.sandbox.to_string())
        .replace("{ops}", &addresses.ops.to_string())
}

/// A free port that nobody else is given as long as the socket lives: it is bound and does not listen, so that the service
/// can listen there beside it.
fn hold() -> io::Result<TcpSocket> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind((Ipv4Addr::LOCALHOST, 0).into())?;
    Ok(socket)
}

/// A folder of this process alone that goes when the value does.
struct Folder(PathBuf);

impl Folder {
    fn create() -> io::Result<Self> {
        let name = format!("usersig-proxy-demo-{:032x}", rand::random::<u128>());
        let path = std::env::temp_dir().join(name);
        fs::create_dir(&path)?;
        Ok(Self(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What is left holds example keys only.
        let _ = fs::remove_dir_all(Path::new(&self.0));
    }
}

const LOOK_EVERY: Duration = Duration::from_millis(5);
/// Of the sandbox's paths those of a client, who is believed for its UserSig alone.
const CLIENT_PATHS: [&str; 3] = ["/sandbox/login", "/sandbox/send", "/sandbox/events"];
const QUICKSTART: &str = include_str!("../../conf/quickstart.toml");
const CHAT_SECRET_KEY: &str = include_str!("../../conf/demo/chat-secret-key");
const SESSION_SECRET: &str = include_str!("../../conf/demo/session-secret");
const SESSION_PRIVATE: &str = include_str!("../../conf/demo/session-private.pem");
const SESSION_PUBLIC: &str = include_str!("../../conf/demo/session-public.pem");
const INSTRUCTIONS: &str = include_str!("demo/instructions.txt");
