//! Sites built from what the configuration says of them, and put in force all at once.
//!
//! [`Workshop::build`] does everything that can fail and touches nothing that is in force; [`Workshop::put_in_force`]
//! cannot fail. What a site has learnt goes on by the site's name: its state, its kicks, its UserSigs, the keys that were fetched.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use tokio::task::JoinSet;

use super::keys::Keys;
use super::store::Store;
use super::{StartError, chat, upstreams};
use crate::authorize::{Authorizer, ENDPOINT_ROUTE, REST_ROUTE};
use crate::chat_client::{ChatClient, Standing};
use crate::config::{self, Runtime};
use crate::metrics::Metrics;
use crate::policy::HostName;
use crate::proxy::{
    AllowedOrigins, Bounds, InjectedNames, Kicker, Limits, Logouts, SiteSettings, Sites, Upstreams,
};
use crate::state::kick::KickTicket;
use crate::state::revocation::Revocations;

/// Makes sites, and keeps what outlives a configuration.
pub(super) struct Workshop {
    store: Store,
    metrics: Arc<Metrics>,
    logouts: Mutex<BTreeMap<String, Arc<Logouts>>>,
    /// What requests are judged by.
    pub(super) sites: Arc<ArcSwap<Sites>>,
    /// What is told of the sites.
    pub(super) in_force: ArcSwap<Vec<Running>>,
}

/// Sites that are built and not yet in force.
pub(super) struct Draft {
    sites: Sites,
    running: Vec<Running>,
    kickers: Vec<Option<Arc<dyn Kicker>>>,
}

/// A site with what goes on beside its requests.
pub(super) struct Running {
    pub(super) name: Arc<str>,
    pub(super) authorizer: Arc<Authorizer>,
    pub(super) keys: Keys,
    pub(super) upstreams: Upstreams,
    logouts: Arc<Logouts>,
    chat: Option<Arc<ChatClient>>,
    revoked: Arc<Revocations>,
    /// The kicks of those who are newly revoked.
    bans: Vec<KickTicket>,
    /// Whether kicks that nobody sends yet are to be sent: the site is new, or Chat could not be reached before.
    resumes: bool,
}

/// The background work of the sites in force; it ends when this is dropped.
pub(super) struct Background(JoinSet<()>);

impl Workshop {
    pub(super) fn new(store: Store, metrics: Arc<Metrics>, runtime: &Runtime) -> Self {
        let none = Sites::new(bounds(runtime), []);
        Self {
            store,
            metrics,
            logouts: Mutex::default(),
            sites: Arc::new(ArcSwap::from_pointee(none)),
            in_force: ArcSwap::default(),
        }
    }

    /// Builds sites, without any traffic. Blocks on the disk, for the system's certificates.
    pub(super) fn build(
        &self,
        sites: Vec<config::Site>,
        runtime: &Runtime,
    ) -> Result<Draft, StartError> {
        let mut running = Vec::new();
        let mut kickers = Vec::new();
        let mut settings = Vec::new();
        for site in sites {
            let (hosts, built, beside) = self.build_one(site)?;
            kickers.push(beside.chat.clone().map(|chat| chat as Arc<dyn Kicker>));
            settings.push((hosts, built));
            running.push(beside);
        }
        Ok(Draft {
            sites: Sites::new(bounds(runtime), settings),
            running,
            kickers,
        })
    }

    /// Judges requests by these sites from now on; those that are under way keep theirs.
    pub(super) fn put_in_force(&self, draft: Draft) {
        let Draft {
            sites,
            mut running,
            kickers,
        } = draft;
        let before = self.in_force.load_full();
        for (site, kicker) in running.iter_mut().zip(kickers) {
            site.resumes = site.logouts.replace_kicker(kicker);
            site.bans = site.logouts.revoke(site.revoked.clone());
            if let Some(before) = before.iter().find(|before| before.name == site.name) {
                site.keys.inherit(&before.keys);
            } else {
                site.resumes = true;
            }
        }
        before.iter().for_each(|site| site.upstreams.end());
        running.iter().for_each(|site| site.upstreams.begin());
        self.sites.store(Arc::new(sites));
        self.in_force.store(Arc::new(running));
    }

    /// Starts what goes on beside the requests of the sites in force. Call it in a runtime.
    pub(super) fn start_background(&self) -> Background {
        let mut background = JoinSet::new();
        for site in self.in_force.load().iter() {
            background.spawn(site.keys.clone().run());
            let upstreams = site.upstreams.clone();
            background.spawn(async move { upstreams.run(std::future::pending()).await });
            match site.resumes {
                true => site.logouts.resume(),
                false => site.logouts.kick_all(site.bans.clone()),
            }
        }
        Background(background)
    }

    fn build_one(
        &self,
        site: config::Site,
    ) -> Result<(Vec<HostName>, SiteSettings, Running), StartError> {
        self.create_series(&site);
        let name: Arc<str> = Arc::from(site.name.as_str());
        let before = self.in_force.load();
        let before = before.iter().find(|before| before.name == name);
        let authorizer = Arc::new(match before {
            Some(before) => before.authorizer.succeeded_by(site.authorizer),
            None => Authorizer::new(site.authorizer, self.store.state(&site.name)),
        });
        let keys = Keys::new(
            name.clone(),
            site.key_sets,
            authorizer.clone(),
            self.metrics.clone(),
        )
        .map_err(StartError::Keys)?;
        let before = self.in_force.load();
        let before = before.iter().find(|before| before.name == name);
        let earlier = before.map(|before| &before.upstreams);
        let upstreams = upstreams::build(&name, &site.upstreams, &self.metrics, earlier)?;
        let logouts = self.logouts(&site.name);
        let chat = chat::client(&site.chat)?;
        let settings = SiteSettings {
            rest_api: chat::gateway(site.rest_api, &site.chat, chat.as_ref()),
            name: name.clone(),
            authorizer: authorizer.clone(),
            keys: Arc::new(keys.clone()),
            upstreams: upstreams.clone(),
            names: names(site.inject),
            origins: AllowedOrigins::new(site.cors_origins),
            logouts: logouts.clone(),
        };
        let running = Running {
            name,
            authorizer,
            keys,
            upstreams,
            logouts,
            chat,
            revoked: site.revoked,
            bans: Vec::new(),
            resumes: false,
        };
        Ok((site.hosts, settings, running))
    }

    /// The kicks of a site go on whatever its configuration becomes.
    fn logouts(&self, site: &str) -> Arc<Logouts> {
        let new = || {
            let keeper = Arc::new(self.store.clone());
            Arc::new(Logouts::new(
                self.store.state(site),
                keeper,
                self.metrics.clone(),
            ))
        };
        let mut logouts = self.logouts.lock();
        logouts.entry(site.to_owned()).or_insert_with(new).clone()
    }

    fn create_series(&self, site: &config::Site) {
        let routes = site.authorizer.routes.routes().map(|route| &*route.name);
        let upstreams = site.upstreams.iter();
        self.metrics.create_site(
            &site.name,
            routes.chain([ENDPOINT_ROUTE, REST_ROUTE]),
            upstreams.map(|upstream| upstream.name.as_str()),
        );
        if let Some(rest_api) = &site.rest_api {
            let policy = &rest_api.policy;
            let commands = policy.catalog().commands();
            let allowed = commands.filter(|command| policy.rules_of(command).next().is_some());
            let rest_calls = self.metrics.rest_calls();
            rest_calls.create(&site.name, allowed.map(|command| command.name.as_str()));
        }
    }
}

impl Running {
    /// How Chat takes the calls of the site.
    pub(super) fn chat_standing(&self) -> Standing {
        self.chat
            .as_ref()
            .map(|chat| chat.standing())
            .unwrap_or_default()
    }

    /// Lines for people about that, where something is wrong.
    pub(super) fn report_chat(&self) -> String {
        chat::report(&self.name, self.chat_standing())
    }
}

impl Background {
    /// Ends the work once nobody can be waiting for it any more.
    pub(super) fn end_soon(mut self) {
        tokio::spawn(async move {
            tokio::time::sleep(LONGEST_WAIT).await;
            self.0.shutdown().await;
        });
    }
}

fn names(config: config::InjectNames) -> InjectedNames {
    InjectedNames {
        user_id: config.user_id_header,
        user_sig: config.user_sig_header,
        sdk_app_id: config.sdk_app_id_header,
        cookie: config.cookie_name,
    }
}

fn bounds(runtime: &Runtime) -> Bounds {
    Bounds {
        limits: Limits {
            max_uri_bytes: runtime.max_uri_bytes,
            max_header_bytes: runtime.max_header_bytes,
            max_body_bytes: runtime.max_body,
            max_login_body_bytes: runtime.max_login_body,
        },
        keepalive: runtime.downstream_keepalive,
        read_timeout: runtime.downstream_read_timeout,
    }
}

/// More than a request waits for a key.
const LONGEST_WAIT: Duration = Duration::from_secs(5);
