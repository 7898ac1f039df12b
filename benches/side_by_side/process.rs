//! Processes that the bench starts, each on the core it is given, and the processor time that they take.

use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
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
        cpu_ns_of(self.child.id())
    }

    /// Resident memory in bytes.
    pub(crate) fn resident_bytes(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:"));
        let kib = line.and_then(|line| line.split_whitespace().nth(1));
        kib.unwrap().parse::<u64>().unwrap() << 10
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Asked first: a server with workers ends them then.
        let _ = Command::new("kill")
            .arg(self.child.id().to_string())
            .status();
        for _ in 0..200 {
            if matches!(self.child.try_wait(), Ok(Some(_))) {
                return;
            }
            thread::sleep(Duration::from_millis(10));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Of a process, its threads and its children.
fn cpu_ns_of(process: u32) -> u64 {
    let mut total = 0;
    let Ok(threads) = fs::read_dir(format!("/proc/{process}/task")) else {
        return 0;
    };
    for thread in threads.flatten() {
        let schedstat = fs::read_to_string(thread.path().join("schedstat")).unwrap_or_default();
        let on_cpu = schedstat.split_whitespace().next();
        total += on_cpu.and_then(|ns| ns.parse::<u64>().ok()).unwrap_or(0);
        let children = fs::read_to_string(thread.path().join("children")).unwrap_or_default();
        let children = children.split_whitespace().filter_map(|id| id.parse().ok());
        total += children.map(cpu_ns_of).sum::<u64>();
    }
    total
}

/// An address of loopback that is free now.
pub(crate) fn free_address() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap()
}
