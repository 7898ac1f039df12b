//! The program's other commands: run to the end, or kept running beside the test.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::process;
use super::proxy::free_address;

/// What a command printed and its exit code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Finished {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// The program with these arguments and nothing of the caller's own settings.
pub(crate) fn program<S: AsRef<OsStr>>(arguments: impl IntoIterator<Item = S>) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_usersig-proxy"));
    command
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env_remove("USERSIG_PROXY_CONFIG")
        .env_remove("RUST_LOG")
        .stdin(Stdio::null());
    command
}

/// Runs a command to its end.
pub(crate) fn finish(command: &mut Command) -> Finished {
    finish_with_input(command.stdin(Stdio::null()), "")
}

/// Runs a command to its end with this on its standard input.
pub(crate) fn finish_with_input(command: &mut Command, input: &str) -> Finished {
    if !input.is_empty() {
        command.stdin(Stdio::piped());
    }
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    if let Some(mut stdin) = child.stdin.take() {
        let input = input.to_owned();
        // A command that fails early does not read all of it.
        thread::spawn(move || stdin.write_all(input.as_bytes()));
    }
    let stdout = read_in_background(child.stdout.take().unwrap());
    let stderr = read_in_background(child.stderr.take().unwrap());
    let status = wait(&mut child);
    Finished {
        code: status.code(),
        stdout: stdout.join().unwrap(),
        stderr: stderr.join().unwrap(),
    }
}

fn read_in_background(mut stream: impl Read + Send + 'static) -> JoinHandle<String> {
    thread::spawn(move || {
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        text
    })
}

/// Waits for the end; the limit only turns a hang into a failure.
fn wait(child: &mut Child) -> ExitStatus {
    let started = Instant::now();
    while started.elapsed() < HANG {
        if let Some(status) = child.try_wait().unwrap() {
            return status;
        }
        thread::park_timeout(POLL);
    }
    let _ = child.kill();
    panic!("the command does not end");
}

/// A process that runs until the value is dropped; its output goes to files.
pub(crate) struct Background {
    child: Child,
    folder: TempDir,
}

impl Background {
    pub(crate) fn spawn(command: &mut Command) -> Self {
        let folder = TempDir::new().unwrap();
        let output = |name| File::create(folder.path().join(name)).unwrap();
        let child = command
            .stdin(Stdio::null())
            .stdout(output("stdout"))
            .stderr(output("stderr"))
            .spawn()
            .unwrap();
        Self { child, folder }
    }

    /// A process that listens at the free address that its command is made with.
    pub(crate) fn listening(command: impl Fn(&str) -> Command) -> (Self, SocketAddr) {
        let mut said = String::new();
        // Another process may take a free port first.
        for _ in 0..5 {
            let address = free_address();
            let mut process = Self::spawn(&mut command(&address.to_string()));
            if process.wait_until_it_listens(address) {
                return (process, address);
            }
            said = process.stderr();
        }
        panic!("the process does not start: {said}");
    }

    /// `false` when the process ends before anybody listens at the address.
    pub(crate) fn wait_until_it_listens(&mut self, address: SocketAddr) -> bool {
        while TcpStream::connect(address).is_err() {
            if self.child.try_wait().unwrap().is_some() {
                return false;
            }
            thread::park_timeout(POLL);
        }
        true
    }

    /// Waits until its standard output holds this.
    pub(crate) fn wait_until_it_prints(&mut self, text: &str) {
        let started = Instant::now();
        while !self.stdout().contains(text) {
            assert!(started.elapsed() < HANG, "it does not print {text:?}");
            let ended = self.child.try_wait().unwrap();
            assert!(ended.is_none(), "it ended: {}", self.stderr());
            thread::park_timeout(POLL);
        }
    }

    /// Asks it to end with SIGINT, as Ctrl-C does, and gives its exit code.
    pub(crate) fn interrupt(&mut self) -> Option<i32> {
        process::signal(self.child.id(), "INT");
        wait(&mut self.child).code()
    }

    /// Its standard output so far.
    pub(crate) fn stdout(&self) -> String {
        read(&self.folder.path().join("stdout"))
    }

    /// Its standard error so far.
    pub(crate) fn stderr(&self) -> String {
        read(&self.folder.path().join("stderr"))
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

const POLL: Duration = Duration::from_millis(2);
const HANG: Duration = Duration::from_secs(120);
