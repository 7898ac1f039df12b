//! Gives the text its meaning, section by section, without stopping at an error.
//!
//! The main file holds what the process needs, and its one site or where the files of several are.
//!
//! Every function reads all its keys before it gives up on one, and returns `None` only after it has reported why.
//! Defaults and limits stand as constants beside what reads them.

mod audit;
mod bundle;
mod certificates;
mod chat;
mod cors;
mod edge;
mod identity;
mod inject;
mod key_set;
mod keys;
mod listeners;
mod rest_api;
mod revoked;
mod routes;
mod session;
mod socket;
mod store;
mod traces;
mod upstream;
mod webhook;

use std::net::SocketAddr;
use std::path::Path;

pub use self::listeners::DEFAULT_OPS;
use super::error::Place;
use super::load::Reads;
use super::raw::{Table, Value};
use super::secrets::{Env, SecretFiles, Secrets};
use super::{Audit, Chat, Config, Listen, Log, Runtime, Site, Store, Traces};
use crate::authorize::{RestRoutes, Settings};
use crate::policy::{AllowedOrigins, HostName};
use crate::usersig::Issuer;

/// What the main file says.
pub(super) struct Found {
    /// What the process needs; `None` after an error.
    pub(super) process: Option<Process>,
    /// What the files of sites are read with.
    pub(super) context: Context,
    pub(super) sites: Listed,
}

/// Where the sites are.
pub(super) enum Listed {
    /// The main file is a site, too; `None` after an error.
    Here(Option<Box<Site>>),
    /// In files of their own that match the pattern; `None` after an error.
    InFiles { glob: Option<String>, place: Place },
}

/// What the process needs, whatever its sites are.
pub(super) struct Process {
    demo: bool,
    listen: Listen,
    ops: SocketAddr,
    runtime: Runtime,
    log: Log,
    store: Store,
    audit: Option<Audit>,
    traces: Option<Traces>,
}

/// What of the main file counts for every site.
pub(super) struct Context {
    demo: bool,
    secret_files: SecretFiles,
    listeners: Vec<SocketAddr>,
}

/// A site with the places of its hosts.
pub(super) struct SiteFile {
    pub(super) site: Site,
    pub(super) hosts: Vec<(HostName, Place)>,
}

impl Process {
    pub(super) fn with_sites(self, sites: Vec<Site>) -> Config {
        Config {
            demo: self.demo,
            listen: self.listen,
            ops: self.ops,
            runtime: self.runtime,
            log: self.log,
            store: self.store,
            audit: self.audit,
            traces: self.traces,
            sites,
            warnings: Vec::new(),
        }
    }
}

/// Reads the main file.
pub(super) fn main_file(root: &Table<'_>, folder: &Path, env: Env<'_>, reads: &Reads) -> Found {
    let mut context = Context {
        demo: root.boolean_or("demo", false),
        secret_files: root.choice_or("secret_files", SecretFiles::Warn, SECRET_FILES),
        listeners: Vec::new(),
    };
    let secrets = context.secrets(folder, env, reads);
    let listeners = listeners::all(root, &secrets);
    context.listeners = listeners.addresses();
    let runtime = edge::runtime(root, folder);
    let log = edge::log(root);
    let store = store::section(root, &secrets);
    let audit = audit::section(root, folder, store.file.as_deref());
    let traces = traces::section(root, &secrets);
    let sites = match root.get("sites") {
        Some(value) => {
            refuse_site_keys(root);
            let pattern = value.text().map(|text| pattern(folder, text));
            Listed::InFiles {
                glob: pattern,
                place: value.place().clone(),
            }
        }
        None => {
            let hosts = hosts(root);
            Listed::Here(site(root, ONLY_SITE, &hosts, &context, &secrets).map(Box::new))
        }
    };
    Found {
        process: Some(Process {
            demo: context.demo,
            listen: listeners.listen,
            ops: listeners.ops,
            runtime,
            log,
            store,
            audit,
            traces,
        }),
        context,
        sites,
    }
}

/// Where the ops listener is; `None` after an error there.
pub(super) fn ops_address(root: &Table<'_>) -> Option<SocketAddr> {
    listeners::ops_address(root, false)
}

/// Reads the file of one of several sites.
pub(super) fn site_file(
    root: &Table<'_>,
    path: &Path,
    folder: &Path,
    context: &Context,
    env: Env<'_>,
    reads: &Reads,
) -> Option<SiteFile> {
    let secrets = context.secrets(folder, env, reads);
    root.require("hosts", HOSTS_HINT);
    let hosts = hosts(root);
    let name = site_name(path);
    let is_name = Value::is_name(name) && !name.eq_ignore_ascii_case(NO_SITE);
    if !is_name {
        let problem = "the file's name, which is the site's, is not a name for a site";
        let hint =
            "up to 64 letters, digits, dots, dashes or underscores, and .toml; not none.toml";
        root.report().error(root.place(), problem, hint);
    }
    let site = site(root, name, &hosts, context, &secrets);
    Some(SiteFile { site: site?, hosts }).filter(|_| is_name)
}

/// The name of the site that this is the file of; empty where it has none.
pub(super) fn site_name(file: &Path) -> &str {
    let stem = file.file_stem().and_then(|stem| stem.to_str());
    stem.unwrap_or_default()
}

impl Context {
    fn secrets<'a>(&self, folder: &'a Path, env: Env<'a>, reads: &'a Reads) -> Secrets<'a> {
        Secrets {
            folder,
            env,
            reads,
            files: self.secret_files,
            demo: self.demo,
        }
    }
}

fn site(
    root: &Table<'_>,
    name: &str,
    hosts: &[(HostName, Place)],
    context: &Context,
    secrets: &Secrets<'_>,
) -> Option<Site> {
    let origins = cors::origins(root);
    let upstreams = upstream::all(root, &context.listeners, secrets);
    let chat = chat::section(root, secrets);
    let admin = chat.as_ref().map(|chat| chat.admin.as_str());
    let identity = identity::site(root, secrets, admin);
    let session = session::section(root, secrets, &identity);
    let endpoint = routes::endpoint(root);
    let inject = inject::names(root, &session.sources);
    let around = routes::Around {
        hosts,
        upstreams: &upstreams,
        endpoint: endpoint.as_ref(),
        names: inject.as_ref(),
        takes_webhooks: root.get("webhook").is_some(),
    };
    let routes = routes::section(root, around);
    let webhooks = webhook::section(root, secrets, chat.as_ref());
    if let Some(table) = &routes.table {
        webhook::check_use(root, table);
    }
    if let (Some(chat), Some(table)) = (&chat, &routes.table) {
        chat::check_kicks(root, chat, table);
    }
    let around = rest_api::Around {
        chat: chat.as_ref(),
        reserved: &identity.reserved,
        issuers: &session.roles,
        endpoint: endpoint.as_ref(),
    };
    let rest_api = rest_api::section(root, around);
    let key_sets = session.key_sets.clone();
    let revoked = session.revoked.clone();
    if let (Some(chat), Some(list), Some(value)) = (&chat, &revoked, revoked_key(root)) {
        revoked::check_reach(list, &value, chat.endpoint.is_some());
    }
    let chat = chat?;
    Some(Site {
        name: name.to_owned(),
        hosts: hosts.iter().map(|(host, _)| host.clone()).collect(),
        upstreams: upstreams.into_iter().collect::<Option<_>>()?,
        inject: inject?,
        key_sets,
        revoked: revoked?,
        authorizer: Settings {
            webhooks: webhooks?,
            origins,
            ..settings(&chat, session, routes, endpoint.as_ref(), rest_api.as_ref())?
        },
        rest_api,
        usersig_endpoint: endpoint.map(|endpoint| endpoint.text),
        chat: Chat {
            sdk_app_id: chat.sdk_app_id,
            keys: chat.keys,
            admin: chat.admin,
            endpoint: chat.endpoint,
            reserved: identity.reserved,
            imports: chat.profile.map(|profile| profile.imports),
        },
    })
}

fn revoked_key<'a>(root: &Table<'a>) -> Option<Value<'a>> {
    root.get("session")?.map()?.get("revoked")
}

/// The hosts that a site answers for; none stands for every host.
fn hosts(root: &Table<'_>) -> Vec<(HostName, Place)> {
    let Some(value) = root.get("hosts") else {
        return Vec::new();
    };
    let mut hosts: Vec<(HostName, Place)> = Vec::new();
    for item in value.some_items(HOSTS_HINT).unwrap_or_default() {
        let Some(host) = item.parsed(HostName::parse) else {
            continue;
        };
        if hosts.iter().any(|(one, _)| *one == host) {
            item.error("is listed twice", "once is enough");
        }
        hosts.push((host, item.place().clone()));
    }
    hosts
}

/// With several sites, each says for itself what concerns it.
fn refuse_site_keys(root: &Table<'_>) {
    for key in SITE_KEYS {
        if let Some(value) = root.get(key) {
            let hint = "the files of sites hold it; nothing of a site is shared";
            value.error(
                "belongs into the file of a site, since sites is given",
                hint,
            );
        }
    }
}

/// The pattern as it is looked for: relative to the folder, whatever letters that has in its name.
fn pattern(folder: &Path, text: &str) -> String {
    match Path::new(text).is_absolute() {
        true => text.to_owned(),
        false => format!(
            "{}/{text}",
            glob::Pattern::escape(&folder.to_string_lossy())
        ),
    }
}

fn settings(
    chat: &chat::Section,
    session: session::Section,
    routes: routes::Section,
    endpoint: Option<&routes::Endpoint>,
    rest_api: Option<&crate::rest_api::Settings>,
) -> Option<Settings> {
    Some(Settings {
        rest_api: rest_api.map(|settings| RestRoutes {
            prefix: settings.prefix.clone(),
            roles_claims: settings.roles_claims.clone(),
            callable: settings.policy.callable().cloned().collect(),
        }),
        webhooks: None,
        origins: AllowedOrigins::default(),
        issuer: Issuer::new(chat.sdk_app_id, chat.keys.active().clone(), chat.lifetime),
        min_remaining: chat.min_remaining,
        cap_to_session: chat.cap_to_session,
        cache_capacity: chat.cache_capacity,
        profile: chat.profile.as_ref().map(|profile| profile.claims.clone()),
        token_memory: session.token_memory,
        sources: session.token_sources?,
        verifier: session.verifier?,
        claim_rules: session.claim_rules?,
        endpoint: endpoint.map(|endpoint| endpoint.path.clone()),
        tolerance: routes.tolerance,
        preflight: routes.preflight,
        routes: routes.table?,
    })
}

/// The keys that may stand at the top of the main file.
pub(super) fn main_keys() -> Vec<&'static str> {
    [PROCESS_KEYS, SITE_KEYS].concat()
}

/// The keys of what the sites share.
const PROCESS_KEYS: &[&str] = &[
    "demo",
    "secret_files",
    "listen",
    "ops",
    "runtime",
    "log",
    "store",
    "audit",
    "traces",
    "sites",
];

/// The keys that may stand at the top of a site's file.
pub(super) const SITE_KEYS: &[&str] = &[
    "hosts",
    "cors",
    "upstream",
    "chat",
    "session",
    "identity",
    "routes",
    "route",
    "inject",
    "usersig_endpoint",
    "rest_api",
    "webhook",
];

/// The name of the one site of a configuration without several: in logs, metrics and the store.
pub(super) const ONLY_SITE: &str = "default";
/// What metrics say of a request that no site answers for.
const NO_SITE: &str = "none";
const HOSTS_HINT: &str =
    "hosts = [\"app.example.com\"]: the names under which clients reach this app";
const SECRET_FILES: &[(&str, SecretFiles)] =
    &[("warn", SecretFiles::Warn), ("strict", SecretFiles::Strict)];
