//! Processes that the bench starts, each on the core it is given, and the processor time that they take.

use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

/// A server that ends with this value.
pub(crate) struct Process {
    child: Child,
    pub(crate) address: SocketAddr,
}

impl Process {
    /// Starts `command` on one core, and waits until `address` takes connections. What it prints goes into `log`.
    pub(crate) fn start(
        mut command: Command,
        core: usize,
        address: SocketAddr,
        log: &Path,
    ) -> Self {
        let output = fs::File::create(log).unwrap();
        let mut pinned = Command::new("taskset");
        pinned
            .args(["-c", &core.to_string()])
            .arg(command.get_program())
            .args(command.get_args());
        for (name, value) in command.get_envs() {
            pinned.env(name, value.unwrap_or_default());
        }
        command = pinned;
        command.stdin(Stdio::null());
        command.stdout(output.try_clone().unwrap()).stderr(output);
        let mut child = command.spawn().expect("taskset of util-linux is needed");
        while TcpStream::connect(address).is_err() {
            if let Some(status) = child.try_wait().unwrap() {
                let printed = fs::read_to_string(log).unwrap_or_default();
                panic!("it ended ({status}) before it listened: {printed}");
            }
            thread::sleep(Duration::from_millis(5));
        }
        Self { child, address }
    }

    /// The processor time of all its threads and processes so far, user and system, in nanoseconds.
    pub(crate) fn cpu_ns(&self) -> u64 {
        family(self.child.id(), &cpu_ns_of)
    }

    /// Resident memory of it and its children, in bytes.
    pub(crate) fn resident_bytes(&self) -> u64 {
        family(self.child.id(), &resident_bytes_of)
    }
}

impl Process {
    /// Asks it to end at once, and waits until it has.
    pub(crate) fn interrupt(mut self) {
        self.signal("INT");
        let _ = self.child.wait();
    }

    fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        let _ = Command::new("kill").args(["-s", name, &id]).status();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(Some(_))) {
            return;
        }
        // Asked first: a server with workers ends them then, and one that is watched writes down what it saw.
        self.signal("INT");
        for _ in 0..2000 {
            if matches!(self.child.try_wait(), Ok(Some(_))) {
                return;
            }
            thread::sleep(Duration::from_millis(10));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A sum over a process and its children.
fn family(process: u32, of: &dyn Fn(u32) -> u64) -> u64 {
    let children = tasks(process).flat_map(|task| {
        let children = fs::read_to_string(task.join("children")).unwrap_or_default();
        let children = children.split_whitespace().map(str::to_owned);
        children.collect::<Vec<_>>()
    });
    let children = children.filter_map(|id| id.parse().ok());
    of(process) + children.map(|child| family(child, of)).sum::<u64>()
}

/// Of all threads, user and system.
fn cpu_ns_of(process: u32) -> u64 {
    let threads = tasks(process).filter_map(|task| {
        let schedstat = fs::read_to_string(task.join("schedstat")).ok()?;
        schedstat.split_whitespace().next()?.parse::<u64>().ok()
    });
    threads.sum()
}

fn resident_bytes_of(process: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().nth(1));
    kib.map_or(0, |kib| kib.parse::<u64>().unwrap() << 10)
}

fn tasks(process: u32) -> impl Iterator<Item = PathBuf> {
    let tasks = fs::read_dir(format!("/proc/{process}/task"));
    let tasks = tasks.into_iter().flatten().flatten();
    tasks.map(|task| task.path())
}

/// An address of loopback that is free now.
pub(crate) fn free_address() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap()
}
