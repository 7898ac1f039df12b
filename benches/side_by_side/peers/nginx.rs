//! nginx with LuaJIT that does the same job with a memory of verified tokens.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::packages;
use crate::process::{Process, free_address};
use crate::subjects::{CHAT_KEY, CORE, SDK_APP_ID, Subject, World};
use crate::tokens::{AUDIENCE, ISSUER, SECRET};

/// Starts it; `None` where it cannot be installed.
pub(super) fn start(users: u64, world: &World) -> Option<Subject> {
    let is_there = || Path::new(MODULE).exists() && Path::new(CJSON).exists();
    if !is_there() && !packages::install("nginx-light libnginx-mod-http-lua lua-cjson") {
        eprintln!("without nginx and its Lua module, that peer is left out");
        return None;
    }
    let address = free_address();
    let configuration = world.folder().join("nginx.conf");
    fs::write(&configuration, text(&address.to_string(), users, world)).unwrap();
    let mut command = Command::new("nginx");
    command.arg("-c").arg(&configuration);
    let log = world.folder().join("nginx.log");
    Some(Subject {
        name: "nginx + LuaJIT",
        does_the_job: true,
        process: Process::start(command, CORE, address, &log),
    })
}

fn text(address: &str, users: u64, world: &World) -> String {
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/side_by_side/peers");
    format!(
        r#"
load_module {NDK};
load_module {MODULE};
worker_processes 1;
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/nginx-error.log;
user root;
events {{ worker_connections 1024; }}
http {{
    access_log {folder}/nginx-access.log;
    client_body_temp_path {folder}/body-temp;
    proxy_temp_path {folder}/proxy-temp;
    fastcgi_temp_path {folder}/fastcgi-temp;
    uwsgi_temp_path {folder}/uwsgi-temp;
    scgi_temp_path {folder}/scgi-temp;
    keepalive_requests 10000;
    tcp_nodelay on;
    lua_package_path "{here}/?.lua;/usr/share/lua/5.1/?.lua;;";
    init_by_lua_block {{
        require("nginx").init({{
            capacity = {users}, app = "{SDK_APP_ID}", chat_key = "{CHAT_KEY}", secret = "{SECRET}",
            issuer = "{ISSUER}", audience = "{AUDIENCE}",
        }})
    }}
    upstream app {{ server {app}; keepalive 128; keepalive_requests 1000000; }}
    server {{
        listen {address} reuseport;
        proxy_http_version 1.1;
        proxy_set_header Connection "";
        proxy_set_header Host $http_host;
        location /public/ {{ proxy_pass http://app; }}
        location /api/ {{
            access_by_lua_block {{ require("nginx").access() }}
            header_filter_by_lua_block {{ require("nginx").header() }}
            proxy_pass http://app;
        }}
    }}
}}
"#,
        folder = world.folder().display(),
        here = here.display(),
        app = world.app.address,
    )
}

const NDK: &str = "/usr/lib/nginx/modules/ndk_http_module.so";
const MODULE: &str = "/usr/lib/nginx/modules/ngx_http_lua_module.so";
const CJSON: &str = "/usr/share/lua/5.1/cjson";
