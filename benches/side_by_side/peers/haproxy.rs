//! HAProxy that does the same job: its own converters verify and sign, Lua remembers and packs.

use std::fs;
use std::path::Path;
use std::process::Command;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::packages;
use crate::process::{Process, free_address};
use crate::subjects::{CHAT_KEY, CORE, SDK_APP_ID, Subject, World};
use crate::tokens::{AUDIENCE, ISSUER, SECRET};

/// Starts it; `None` where it cannot be installed.
pub(super) fn start(users: u64, world: &World) -> Option<Subject> {
    let is_there = || Path::new(PROGRAM).exists() && lua_folder().is_some();
    if !is_there() && !packages::install("haproxy lua-zlib") {
        eprintln!("without HAProxy and lua-zlib, that peer is left out");
        return None;
    }
    let address = free_address();
    let configuration = world.folder().join("haproxy.cfg");
    fs::write(&configuration, text(&address.to_string(), users, world)).unwrap();
    let mut command = Command::new(PROGRAM);
    command.arg("-db").arg("-f").arg(&configuration);
    let log = world.folder().join("haproxy.log");
    Some(Subject {
        name: "HAProxy + Lua",
        does_the_job: true,
        process: Process::start(command, CORE, address, &log),
    })
}

/// Where the modules of its Lua are, which differs with the machine.
fn lua_folder() -> Option<String> {
    let folders = fs::read_dir("/usr/lib").ok()?.flatten();
    let mut folders = folders.map(|folder| folder.path().join("lua/5.3"));
    let found = folders.find(|folder| folder.join("zlib.so").exists())?;
    Some(found.display().to_string())
}

fn text(address: &str, users: u64, world: &World) -> String {
    let script =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/side_by_side/peers/haproxy.lua");
    let known = "{ var(txn.user) -m found }";
    let mut injected = String::new();
    for side in ["http-request", "http-response"] {
        for (name, value) in [
            ("X-Chat-UserID", "%[var(txn.user)]"),
            ("X-Chat-UserSig", "%[var(txn.sig)]"),
            ("X-Chat-SDKAppID", &SDK_APP_ID.to_string()),
        ] {
            injected.push_str(&format!(
                "    {side} set-header {name} {value} if {known}\n"
            ));
        }
    }
    format!(
        r#"
global
    nbthread 1
    log stdout format raw local0 info
    lua-prepend-path {lua}/?.so cpath
    setenv TOKENS_KNOWN {users}
    setenv SDK_APP_ID {SDK_APP_ID}
    setenv CHAT_KEY {chat_key}
    setenv SECRET "{SECRET}"
    setenv ISSUER {ISSUER}
    setenv AUDIENCE {AUDIENCE}
    lua-load-per-thread {script}
defaults
    mode http
    log global
    option httplog
    timeout connect 5s
    timeout client 60s
    timeout server 60s
frontend all
    bind {address}
    http-request lua.chat if {{ path_beg /api/ }}
    http-request deny deny_status 401 if {{ path_beg /api/ }} !{known}
{injected}    http-response set-header Cache-Control no-store if {known}
    default_backend app
backend app
    http-reuse always
    server app {app} pool-max-conn 128
"#,
        lua = lua_folder().unwrap_or_default(),
        script = script.display(),
        chat_key = STANDARD.encode(CHAT_KEY),
        app = world.app.address,
    )
}

const PROGRAM: &str = "/usr/sbin/haproxy";
