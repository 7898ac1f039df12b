//! What a user could pick instead, where Debian's packages have it.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use super::jobs::SDK_APP_ID;
use super::process::{Process, free_address};
use super::tokens::{AUDIENCE, ISSUER, SECRET};

/// A Chat key that is nobody's.
pub(crate) const CHAT_KEY: &str =
    "7e57000000000000000000000000000000000000000000000000000000007e57";

/// nginx with LuaJIT that does the same job with a memory of verified tokens, one worker, access log on; `None` where it
/// cannot be installed.
pub(crate) fn nginx_lua(
    app: SocketAddr,
    core: usize,
    tokens: u64,
    folder: &Path,
) -> Option<Process> {
    let installed = Path::new(MODULE).exists() && Path::new("/usr/share/lua/5.1/cjson").exists()
        || install("nginx-light libnginx-mod-http-lua lua-cjson");
    if !installed {
        eprintln!("without nginx and its Lua module, that peer is left out");
        return None;
    }
    let address = free_address();
    let configuration = folder.join("nginx.conf");
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/side_by_side");
    let text = format!(
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
        require("peer").init({{
            capacity = {capacity}, app = "{SDK_APP_ID}", chat_key = "{CHAT_KEY}", secret = "{SECRET}",
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
            access_by_lua_block {{ require("peer").access() }}
            header_filter_by_lua_block {{ require("peer").header() }}
            proxy_pass http://app;
        }}
    }}
}}
"#,
        folder = folder.display(),
        here = here.display(),
        capacity = tokens.max(1000),
    );
    fs::write(&configuration, text).unwrap();
    let mut command = Command::new("nginx");
    command.arg("-c").arg(&configuration);
    Some(Process::start(
        command,
        core,
        address,
        &folder.join("nginx.log"),
    ))
}

fn install(packages: &str) -> bool {
    let line = format!(
        "apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends {packages}"
    );
    let installed = Command::new("sh").args(["-c", &line]).output();
    installed.is_ok_and(|output| output.status.success())
}

const NDK: &str = "/usr/lib/nginx/modules/ndk_http_module.so";
const MODULE: &str = "/usr/lib/nginx/modules/ngx_http_lua_module.so";
