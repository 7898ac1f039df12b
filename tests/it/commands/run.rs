//! `run` before it serves.

use std::io::Read;
use std::process::Stdio;

use super::Folder;
use crate::support::process;
use crate::support::program::program;

#[test]
fn a_reload_that_is_asked_for_during_the_start_does_not_end_the_process() {
    let folder = Folder::new();
    // One warning each: more than a pipe holds, so that the process stands still before it serves until they are read.
    let believed = "\"0.0.0.0/0\", ".repeat(2000);
    let config = folder.config("proxy.toml", |text| {
        let listen = format!("[listen]\ntrusted_proxies = [{believed}]\n");
        text.replace("[listen]\n", &listen)
    });
    let mut child = program(["run", "--config", &config])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut log = child.stderr.take().unwrap();
    log.read_exact(&mut [0]).unwrap();
    process::signal(child.id(), "HUP");
    let (mut seen, mut buffer) = (Vec::new(), [0; 4096]);
    loop {
        let length = log.read(&mut buffer).unwrap();
        assert_ne!(length, 0, "it ended before it served");
        seen.extend_from_slice(&buffer[..length]);
        let is_served = |line: &str| line.contains("the configuration is in force");
        if String::from_utf8_lossy(&seen).lines().any(is_served) {
            break;
        }
    }
    child.kill().unwrap();
    child.wait().unwrap();
}
