//! Sites built from what the configuration says of them, and put in force all at once.
//!
//! [`Workshop::build`] does everything that can fail and touches nothing that is in force; [`Workshop::put_in_force`]
//! cannot fail. What a site has learnt goes on by the site's name: its state, its kicks, its UserSigs, the keys that were fetched,
//! how Chat takes its calls and how many it has made.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::task::JoinSet;

use super::keys::Keys;
use super::store::Store;
use super::{StartError, chat, upstreams};
use crate::authorize::{Authorizer, ENDPOINT_ROUTE, REST_ROUTE, Settings};
use crate::chat_client::{ChatClient, Standing};
use crate::config::{self, KeySetSource, Runtime};
use crate::metrics::Metrics;
use crate::policy::HostName;
use crate::proxy::{
    Bounds, InjectedNames, Kicker, Limits, Logouts, ProfileImports, Profiles, SiteSettings, Sites,
    Upstreams,
};
use crate::rest_api::group_role::GET_ROLE;
use crate::state::kick::KickTicket;
use crate::state::revocation::Revocations;
use crate::usersig::SdkAppId;

/// Makes sites, and keeps what outlives a configuration.
pub(super) struct Workshop {
    store: Store,
    metrics: Arc<Metrics>,
    /// What requests are judged by.
    pub(super) sites: Arc<ArcSwap<Sites>>,
    /// What is told of the sites.
    pub(super) in_force: ArcSwap<Vec<Running>>,
}

/// Sites that are built and not yet in force.
pub(super) struct Draft {
    bounds: Bounds,
    sites: Vec<Built>,
}

/// A site that is built: its hosts, what its requests need, what goes on beside them, and what tells Chat of logouts and profiles.
struct Built {
    hosts: Vec<HostName>,
    settings: SiteSettings,
    running: Running,
    kicker: Option<Arc<dyn Kicker>>,
    imports: Option<ProfileImports>,
}

/// A site with what goes on beside its requests.
pub(super) struct Running {
    pub(super) name: Arc<str>,
    pub(super) authorizer: Arc<Authorizer>,
    app: SdkAppId,
    pub(super) keys: Keys,
    pub(super) upstreams: Upstreams,
    logouts: Arc<Logouts>,
    profiles: Arc<Profiles>,
    chat: Option<Arc<ChatClient>>,
    usage: Arc<chat::Usage>,
    revoked: Arc<Revocations>,
    labels: Labels,
    start: Start,
}

/// What its series are labelled with.
struct Labels {
    routes: Vec<Arc<str>>,
    /// Those that the REST gateway's policy allows to anybody, and what its rules ask Chat, if the gateway is on.
    commands: Option<Vec<String>>,
    /// Whether it takes webhooks.
    webhooks: bool,
    /// Whether it imports profiles.
    profiles: bool,
}

/// Which kicks start with a configuration.
enum Start {
    /// All that are wanted and that nobody sends: the site is new, or Chat could not be reached before.
    Resume,
    /// Those of users who are newly revoked; all others are under way.
    Kick(Vec<KickTicket>),
}

/// The background work of the sites in force; it ends when this is dropped.
pub(super) struct Background(JoinSet<()>);

impl Workshop {
    pub(super) fn new(store: Store, metrics: Arc<Metrics>, runtime: &Runtime) -> Self {
        let none = Sites::new(bounds(runtime), []);
        Self {
            store,
            metrics,
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
        let before = self.in_force.load();
        let build = |site: config::Site| {
            let name: Arc<str> = Arc::from(site.name.as_str());
            let before = before.iter().find(|before| before.name == name);
            let built = self.build_one(&name, site, before);
            built.map_err(|source| StartError::Site {
                site: name.to_string(),
                source: Box::new(source),
            })
        };
        Ok(Draft {
            bounds: bounds(runtime),
            sites: sites.into_iter().map(build).collect::<Result<_, _>>()?,
        })
    }

    /// Judges requests by these sites from now on; those that are under way keep theirs.
    pub(super) fn put_in_force(&self, draft: Draft) {
        let before = self.in_force.load_full();
        let (mut settings, mut running) = (Vec::new(), Vec::new());
        for mut site in draft.sites {
            self.begin(&mut site.running, &before, site.kicker);
            site.running.profiles.replace(site.imports);
            settings.push((site.hosts, site.settings));
            running.push(site.running);
        }
        before.iter().for_each(|site| site.upstreams.end());
        running.iter().for_each(|site| site.upstreams.begin());
        self.sites
            .store(Arc::new(Sites::new(draft.bounds, settings)));
        self.in_force.store(Arc::new(running));
        self.end_gone(&before);
        self.warn_of_strays();
    }

    /// Creates the series of a site, and hands it what it goes on from.
    fn begin(&self, site: &mut Running, before: &[Running], kicker: Option<Arc<dyn Kicker>>) {
        site.create_series(&self.metrics);
        let lifetime = site.authorizer.settings().issuer.lifetime();
        self.store.share(&site.name, site.app, lifetime);
        let is_heard_again = site.logouts.replace_kicker(kicker);
        let bans = site.logouts.revoke(site.revoked.clone());
        let earlier = before.iter().find(|before| before.name == site.name);
        if let Some(earlier) = earlier {
            site.keys.inherit(&earlier.keys);
        }
        site.start = match earlier.is_none() || is_heard_again {
            true => Start::Resume,
            false => Start::Kick(bans),
        };
    }

    /// Ends what sites that are gone have begun. Their state stays, with the kicks that Chat has not taken.
    fn end_gone(&self, before: &[Running]) {
        let running = self.in_force.load();
        let is_gone = |site: &&Running| !running.iter().any(|one| one.name == site.name);
        for site in before.iter().filter(is_gone) {
            let name = &*site.name;
            tracing::info!(site = name, "the site is gone, and its kicks with it");
            site.logouts.replace_kicker(None);
            site.profiles.replace(None);
            self.metrics.remove_site(name);
        }
    }

    /// The name of a site's file is the name of its state: a renamed one has lost it.
    fn warn_of_strays(&self) {
        let running = self.in_force.load();
        for site in self.store.sites() {
            if !running.iter().any(|one| *one.name == *site) {
                tracing::warn!(
                    site,
                    "there are logouts or renewals of a site that no file is named after"
                );
            }
        }
    }

    /// Begins to load the published key sets of the sites in force. Call it in a runtime.
    pub(super) fn start_key_sets(&self) -> Background {
        let mut background = JoinSet::new();
        for site in self.in_force.load().iter() {
            background.spawn(site.keys.clone().run());
        }
        Background(background)
    }

    /// Whether every published key set of the sites in force is loaded.
    pub(super) fn has_key_sets(&self) -> bool {
        let sites = self.in_force.load();
        sites.iter().all(|site| site.keys.are_loaded())
    }

    /// Starts what goes on beside the requests of the sites in force. Call it in a runtime.
    pub(super) fn start_background(&self) -> Background {
        let mut background = JoinSet::new();
        for site in self.in_force.load().iter() {
            background.spawn(site.keys.clone().run());
            let upstreams = site.upstreams.clone();
            background.spawn(async move { upstreams.run(std::future::pending()).await });
            match &site.start {
                Start::Resume => site.logouts.resume(),
                Start::Kick(tickets) => site.logouts.kick_all(tickets.clone()),
            }
        }
        Background(background)
    }

    fn build_one(
        &self,
        name: &Arc<str>,
        site: config::Site,
        before: Option<&Running>,
    ) -> Result<Built, StartError> {
        let labels = Labels::of(&site);
        let authorizer = self.authorizer(name, site.authorizer, before);
        let keys = self.keys(name, site.key_sets, &authorizer)?;
        let earlier = before.map(|before| &before.upstreams);
        let upstreams = upstreams::build(name, &site.upstreams, &self.metrics, earlier)?;
        let logouts = self.logouts(name, before);
        let profiles = self.profiles(name, before);
        let earlier = before.and_then(|before| before.chat.as_deref());
        let chat = chat::client(&site.chat, earlier)?;
        let usage = chat::Usage::after(before.map(|before| &before.usage));
        let fleet = self.store.fleet.as_deref();
        let gateway = chat::gateway(site.rest_api, &site.chat, chat.as_ref(), &usage, fleet);
        let imports = chat::imports(&site.chat, chat.as_ref());
        let settings = SiteSettings {
            rest_api: gateway,
            name: name.clone(),
            authorizer: authorizer.clone(),
            keys: Arc::new(keys.clone()),
            upstreams: upstreams.clone(),
            names: names(site.inject),
            logouts: logouts.clone(),
            profiles: profiles.clone(),
        };
        let running = Running {
            name: name.clone(),
            authorizer,
            app: site.chat.sdk_app_id,
            keys,
            upstreams,
            logouts,
            profiles,
            chat,
            usage,
            revoked: site.revoked,
            labels,
            start: Start::Resume,
        };
        let kicker = running.chat.clone().map(|chat| chat as Arc<dyn Kicker>);
        Ok(Built {
            hosts: site.hosts,
            settings,
            running,
            kicker,
            imports,
        })
    }

    /// What was issued and verified before counts on, as far as the settings allow.
    fn authorizer(
        &self,
        site: &Arc<str>,
        settings: Settings,
        before: Option<&Running>,
    ) -> Arc<Authorizer> {
        Arc::new(match before {
            Some(before) => before.authorizer.succeeded_by(settings),
            None => Authorizer::new(settings, self.store.state(site)),
        })
    }

    fn keys(
        &self,
        site: &Arc<str>,
        sources: Vec<KeySetSource>,
        authorizer: &Arc<Authorizer>,
    ) -> Result<Keys, StartError> {
        let (authorizer, metrics) = (Arc::clone(authorizer), Arc::clone(&self.metrics));
        Keys::new(Arc::clone(site), sources, authorizer, metrics).map_err(StartError::Keys)
    }

    /// The kicks of a site go on while there is one of its name.
    fn logouts(&self, site: &Arc<str>, before: Option<&Running>) -> Arc<Logouts> {
        match before {
            Some(before) => Arc::clone(&before.logouts),
            None => Arc::new(Logouts::new(
                Arc::clone(site),
                self.store.state(site),
                Arc::new(self.store.clone()),
                Arc::clone(&self.metrics),
            )),
        }
    }

    /// What waits for Chat goes on while there is a site of the name.
    fn profiles(&self, site: &Arc<str>, before: Option<&Running>) -> Arc<Profiles> {
        match before {
            Some(before) => Arc::clone(&before.profiles),
            None => Arc::new(Profiles::new(Arc::clone(site), Arc::clone(&self.metrics))),
        }
    }
}

impl Labels {
    fn of(site: &config::Site) -> Self {
        let routes = site.authorizer.routes.routes();
        let commands = site.rest_api.as_ref().map(|rest_api| {
            let policy = &rest_api.policy;
            let commands = policy.catalog().commands();
            let allowed = commands.filter(|command| {
                let is_asked = command.name.as_str() == GET_ROLE && policy.asks_for_roles();
                is_asked || policy.rules_of(command).next().is_some()
            });
            allowed.map(|command| command.name.to_string()).collect()
        });
        Self {
            routes: routes.map(|route| route.name.clone()).collect(),
            commands,
            webhooks: site.authorizer.webhooks.is_some(),
            profiles: site.chat.imports.is_some(),
        }
    }
}

impl Running {
    fn create_series(&self, metrics: &Metrics) {
        let routes = self.labels.routes.iter().map(|route| &**route);
        let routes = routes.chain([ENDPOINT_ROUTE, REST_ROUTE]);
        metrics.create_site(&self.name, routes, self.upstreams.names());
        self.keys.create_series(metrics);
        if let Some(commands) = &self.labels.commands {
            let commands = commands.iter().map(String::as_str);
            metrics.rest_calls().create(&self.name, commands);
        }
        if self.labels.webhooks {
            metrics.webhooks().create(&self.name);
        }
        if self.labels.profiles {
            metrics.profiles().create(&self.name);
        }
    }

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

/// The names of what is injected.
pub(super) fn names(config: config::InjectNames) -> InjectedNames {
    InjectedNames {
        user_id: config.user_id_header,
        user_sig: config.user_sig_header,
        sdk_app_id: config.sdk_app_id_header,
        cookie: config.cookie_name,
    }
}

/// What every request is held to.
pub(super) fn limits(runtime: &Runtime) -> Limits {
    Limits {
        max_uri_bytes: runtime.max_uri_bytes,
        max_header_bytes: runtime.max_header_bytes,
        max_body_bytes: runtime.max_body,
        max_login_body_bytes: runtime.max_login_body,
    }
}

fn bounds(runtime: &Runtime) -> Bounds {
    Bounds {
        limits: limits(runtime),
        keepalive: runtime.downstream_keepalive,
        read_timeout: runtime.downstream_read_timeout,
        max_requests: runtime.max_requests.get(),
    }
}

/// More than a request waits for a key.
const LONGEST_WAIT: Duration = Duration::from_secs(5);
