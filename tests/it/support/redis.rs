//! A Redis of the test's own: on a free port, with its data in a folder that goes with it.

use std::fs::{self, File};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use tempfile::TempDir;

use super::foreign;
use super::process;
use super::proxy::free_address;

/// A server that ends with the value.
pub(crate) struct Redis {
    child: Option<Child>,
    folder: TempDir,
    pub(crate) address: SocketAddr,
    options: Vec<String>,
    login: Vec<String>,
}

/// Whether there is a server to start; says that there is none when not.
pub(crate) fn is_there(test: &str) -> bool {
    foreign::has(test, &["redis-server", "redis-cli"])
}

impl Redis {
    pub(crate) fn start() -> Self {
        Self::start_with(&[], &[])
    }

    /// The same with further options, and with what `redis-cli` needs to log in.
    pub(crate) fn start_with(options: &[&str], login: &[&str]) -> Self {
        let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        let mut redis = Self {
            child: None,
            folder: TempDir::new().unwrap(),
            address: free_address(),
            options: owned(options),
            login: owned(login),
        };
        redis.start_again();
        redis
    }

    /// Starts it on the data that it had. Another process may have taken the port only before the first start.
    pub(crate) fn start_again(&mut self) {
        assert!(self.child.is_none(), "it runs");
        for _ in 0..5 {
            let mut child = self.spawn();
            if self.wait_until_it_answers(&mut child) {
                self.child = Some(child);
                return;
            }
            self.address = free_address();
        }
        let log = fs::read_to_string(self.folder.path().join("log"));
        panic!("redis-server does not start: {log:?}");
    }

    /// Ends it as a crash does.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// Removes its data while it does not run.
    pub(crate) fn lose_data(&self) {
        assert!(self.child.is_none(), "it runs");
        for entry in fs::read_dir(self.folder.path()).unwrap().flatten() {
            let is_folder = entry.file_type().unwrap().is_dir();
            match is_folder {
                true => fs::remove_dir_all(entry.path()).unwrap(),
                false => fs::remove_file(entry.path()).unwrap(),
            }
        }
    }

    /// It accepts connections from now on and answers nothing, until [`thaw`](Self::thaw).
    pub(crate) fn freeze(&self) {
        self.signal("STOP");
    }

    pub(crate) fn thaw(&self) {
        self.signal("CONT");
    }

    /// What it answers to a command, line by line.
    pub(crate) fn ask(&self, command: &[&str]) -> Vec<String> {
        let port = self.address.port().to_string();
        let output = Command::new("redis-cli")
            .args(["-h", "127.0.0.1", "-p", &port])
            .args(&self.login)
            .args(command)
            .output()
            .unwrap();
        assert!(output.status.success(), "{command:?}: {output:?}");
        let text = String::from_utf8(output.stdout).unwrap();
        text.lines().map(str::to_owned).collect()
    }

    /// Every command that it was given since its last start and that changed something.
    pub(crate) fn written(&self) -> String {
        let folder = self.folder.path().join("appendonlydir");
        let files = fs::read_dir(folder).unwrap().flatten();
        let texts = files.map(|file| fs::read(file.path()).unwrap());
        texts
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .collect()
    }

    fn signal(&self, name: &str) {
        process::signal(self.child.as_ref().unwrap().id(), name);
    }

    fn spawn(&self) -> Child {
        let log = File::create(self.folder.path().join("log")).unwrap();
        let port = self.address.port().to_string();
        let mut command = Command::new("redis-server");
        command.args(["--bind", "127.0.0.1", "--save", "", "--daemonize", "no"]);
        // What it has written outlives the process without waiting for the disk.
        command.args(["--appendonly", "yes", "--appendfsync", "no"]);
        command.arg("--dir").arg(self.folder.path());
        match self.options.iter().any(|option| option == "--tls-port") {
            true => command.args(["--port", "0"]),
            false => command.args(["--port", &port]),
        };
        let options = self.options.iter().map(|option| match option.as_str() {
            "@PORT@" => port.as_str(),
            option => option,
        });
        command
            .args(options)
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap()
    }

    /// `false` when it ends first.
    fn wait_until_it_answers(&self, child: &mut Child) -> bool {
        loop {
            let log = fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
            let is_ready = log.contains("Ready to accept connections");
            if is_ready && TcpStream::connect(self.address).is_ok() {
                return true;
            }
            if child.try_wait().unwrap().is_some() {
                return false;
            }
            thread::park_timeout(POLL);
        }
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.kill();
    }
}

const POLL: Duration = Duration::from_millis(5);
