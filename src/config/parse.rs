//! Gives the text its meaning, section by section, without stopping at an error.
//!
//! Every function reads all its keys before it gives up on one, and returns `None` only after it has reported why.
//! Defaults and limits stand as constants beside what reads them.

mod chat;
mod cors;
mod edge;
mod identity;
mod inject;
mod key_set;
mod keys;
mod routes;
mod session;
mod upstream;

use std::path::{Path, PathBuf};

use super::raw::Table;
use super::secrets::{Env, SecretFiles, Secrets};
use super::{Chat, Config};
use crate::authorize::Settings;
use crate::usersig::Issuer;

/// Reads a whole file. The warnings are added by the caller.
pub(super) fn config(root: &Table<'_>, folder: &Path, env: Env<'_>) -> Option<Config> {
    let secrets = secrets(root, folder, env);
    let listeners = edge::listeners(root, secrets.demo);
    let runtime = edge::runtime(root);
    let log = edge::log(root);
    let cors_origins = cors::origins(root);
    let upstreams = upstream::all(root, &listeners.http);
    let chat = chat::section(root, &secrets);
    let admin = chat.as_ref().map(|chat| chat.admin.as_str());
    let identity = identity::site(root, &secrets, admin);
    let session = session::section(root, &secrets, &identity);
    let endpoint = routes::endpoint(root);
    let inject = inject::names(root, &session.sources);
    let routes = routes::section(root, &upstreams, endpoint.as_ref(), inject.as_ref());
    if let (Some(chat), Some(table)) = (&chat, &routes.table) {
        chat::check_kicks(root, chat, table);
    }
    let key_sets = session.key_sets.clone();
    let store = store(root, folder);
    let chat = chat?;
    Some(Config {
        demo: secrets.demo,
        listen: listeners.http,
        ops: listeners.ops,
        runtime,
        log,
        cors_origins,
        upstreams: upstreams.into_iter().collect::<Option<_>>()?,
        inject: inject?,
        key_sets,
        store,
        site: settings(&chat, session, routes, endpoint.as_ref())?,
        usersig_endpoint: endpoint.map(|endpoint| endpoint.text),
        chat: Chat {
            sdk_app_id: chat.sdk_app_id,
            secret_key: chat.secret_key,
            admin: chat.admin,
            endpoint: chat.endpoint,
            reserved: identity.reserved,
        },
        warnings: Vec::new(),
    })
}

fn secrets<'a>(root: &Table<'_>, folder: &'a Path, env: Env<'a>) -> Secrets<'a> {
    Secrets {
        folder,
        env,
        files: root.choice_or("secret_files", SecretFiles::Warn, SECRET_FILES),
        demo: root.boolean_or("demo", false),
    }
}

fn store(root: &Table<'_>, folder: &Path) -> Option<PathBuf> {
    let table = root.get("store")?.table(&["file"])?;
    let value = table.require("file", "file = \"state\", in a folder that is there")?;
    value.text().map(|text| folder.join(text))
}

fn settings(
    chat: &chat::Section,
    session: session::Section,
    routes: routes::Section,
    endpoint: Option<&routes::Endpoint>,
) -> Option<Settings> {
    Some(Settings {
        issuer: Issuer::new(chat.sdk_app_id, chat.secret_key.clone(), chat.lifetime),
        min_remaining: chat.min_remaining,
        cache_capacity: chat.cache_capacity,
        sources: session.token_sources?,
        verifier: session.verifier?,
        claim_rules: session.claim_rules?,
        endpoint: endpoint.map(|endpoint| endpoint.path.clone()),
        tolerance: routes.tolerance,
        preflight: routes.preflight,
        routes: routes.table?,
    })
}

/// The keys that may stand at the top of the file.
pub(super) const KEYS: &[&str] = &[
    "demo",
    "secret_files",
    "listen",
    "ops",
    "runtime",
    "log",
    "cors",
    "upstream",
    "chat",
    "session",
    "identity",
    "routes",
    "route",
    "inject",
    "store",
    "usersig_endpoint",
];

const SECRET_FILES: &[(&str, SecretFiles)] =
    &[("warn", SecretFiles::Warn), ("strict", SecretFiles::Strict)];
