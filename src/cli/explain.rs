//! `explain`: what would become of a request, and why.
//!
//! The request goes through the functions of the running proxy: the edge's for what comes before the walk, the walk's own
//! stages, the policy's and the body's. What is printed is only what they found, and what came near where they refused.

mod call;
mod input;
mod refusal;
mod report;
mod session;
mod way;
mod webhook;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use clap::ValueEnum;
use http::{HeaderName, HeaderValue};

use self::input::Url;
use self::report::Report;
use crate::authorize::Authorizer;
use crate::authorize::explain::{Evidence, Explanation};
use crate::cli::{CliError, ConfigFile, load};
use crate::config::{self, Config};
use crate::rejection::Rejection;
use crate::server::{Trial, arrive};
use crate::state::{Limits, State};
use crate::time::UnixTime;
use crate::token::extract::Carrier;

/// Say what would become of a request, and why
///
/// Names the site, route, issuer, mapping, rule, acting account, budget and injection that apply, in the order in which the
/// proxy decides; of a refusal the status, code and stage, the route or rule that came nearest and what was needed. Nothing is
/// sent, fetched or issued, and no key, token or UserSig is printed. What a running proxy has learnt (logouts, renewals,
/// used budgets, fetched keys) is not known here.
///
/// Without --claims and --token the request counts as it is. Exit code 0: it would be permitted, 1: refused, or the
/// configuration has errors, 2: wrong usage, or a file that cannot be read.
#[derive(clap::Args)]
#[command(after_help = r#"Examples:
  usersig-proxy explain -c proxy.toml GET https://app.example.com/api/me
  echo "{\"sub\":\"42\",\"roles\":[\"member\"],\"exp\":$(($(date +%s)+600))}" >claims.json
  usersig-proxy explain -c proxy.toml POST /_chat/v4/openim/sendmsg --claims claims.json --body message.json
  usersig-proxy explain -c proxy.toml GET /api/me --token - <token"#)]
pub(super) struct Explain {
    #[command(flatten)]
    file: ConfigFile,

    /// With several sites: judge by this one, whatever the host
    #[arg(long, value_name = "NAME")]
    site: Option<String>,

    /// The method, as in GET
    #[arg(value_name = "METHOD")]
    method: String,

    /// The URL, or its path: then for the first host of --site, or localhost. Taken as it is, byte for byte
    #[arg(value_name = "URL")]
    url: String,

    /// Claims (a JSON object) that the session token is presumed to have, and to have verified; "-" is standard input
    #[arg(long, value_name = "FILE", conflicts_with = "token")]
    claims: Option<PathBuf>,

    /// With --claims: add the iss and aud of this issuer where the claims have none
    #[arg(long, value_name = "NAME", requires = "claims")]
    issuer: Option<String>,

    /// A session token to verify, with keys that the configuration holds; "-" is standard input
    #[arg(long, value_name = "FILE")]
    token: Option<PathBuf>,

    /// Where --claims or --token stand in the request; the first place of session.from when left out
    #[arg(long, value_enum, value_name = "PLACE")]
    carrier: Option<Place>,

    /// The body
    #[arg(long, value_name = "FILE")]
    body: Option<PathBuf>,

    /// A header line; may be repeated
    #[arg(short = 'H', long, value_name = "NAME: VALUE", value_parser = input::header_line)]
    header: Vec<(HeaderName, HeaderValue)>,

    /// The moment to judge at, in Unix seconds or as in 2030-01-31T12:00:00Z; now when left out
    #[arg(long, value_name = "TIME", value_parser = input::moment)]
    now: Option<UnixTime>,

    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Where a session token stands.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Place {
    Header,
    Cookie,
    Query,
}

/// A site as a request is explained by it.
struct Subject {
    authorizer: Authorizer,
    upstreams: Vec<config::Upstream>,
    inject: config::InjectNames,
    chat: config::Chat,
    rest_api: Option<crate::rest_api::Settings>,
}

impl Explain {
    pub(super) fn run(mut self) -> Result<(), CliError> {
        let now = self.now.unwrap_or_else(|| SystemTime::now().into());
        let url = Url::parse(&self.url)?;
        let body = input::read_if_any(self.body.as_deref())?;
        let config = load(&self.file.config)?;
        let site = self.chosen_site(&config)?;
        let mut trial = self.trial(&config, site, &url, body.as_deref())?;
        let mut report = Report::default();
        report.request(&self.method, &url);
        let arrival = arrive(&config, site, &mut trial);
        way::tell_arrival(&mut report, &config, &arrival, site.is_some());
        if let Some(rejection) = &arrival.rejection {
            refusal::tell_before_walk(&mut report, &config, rejection);
            return report.print(self.json);
        }
        let subject = Subject::of(config, arrival.site, now)?;
        let evidence = self.place_session(&subject, &mut trial)?;
        match trial.parts() {
            Ok(parts) => {
                let presumed = matches!(evidence, Evidence::Presumed(_));
                let found = subject.authorizer.explain(&parts, evidence, now);
                subject.tell(&mut report, &found, (presumed, now), body.as_deref());
            }
            Err(rejection) => refusal::tell(&mut report, &subject, &rejection, None),
        }
        report.print(self.json)
    }

    fn chosen_site(&self, config: &Config) -> Result<Option<usize>, CliError> {
        let Some(name) = &self.site else {
            return Ok(None);
        };
        let mut sites = config.sites.iter();
        let index = sites.position(|site| site.name == *name);
        let names = || config.sites.iter().map(|site| site.name.as_str());
        let unknown = || {
            let names: Vec<_> = names().collect();
            CliError::Usage(format!(
                "there is no site {name}: --site {}",
                names.join(" | ")
            ))
        };
        index.map(Some).ok_or_else(unknown)
    }

    /// The request as the options describe it, without the session.
    fn trial(
        &mut self,
        config: &Config,
        site: Option<usize>,
        url: &Url,
        body: Option<&[u8]>,
    ) -> Result<Trial, CliError> {
        let usage = |error: crate::server::TrialError| CliError::Usage(error.to_string());
        let mut trial = Trial::new(&self.method, url.target.as_bytes()).map_err(usage)?;
        for (name, value) in self.header.drain(..) {
            trial.add(name, value);
        }
        let hosts = site.and_then(|index| config.sites.get(index));
        let first = hosts.and_then(|site| site.hosts.first());
        let host = url.host.as_deref().or(first.map(|host| host.as_str()));
        let host = HeaderValue::from_str(host.unwrap_or("localhost"));
        trial.name_host(host.map_err(|_| CliError::Usage("the URL has no host".to_owned()))?);
        if let Some(body) = body {
            trial.announce_body(body.len());
        }
        Ok(trial)
    }

    /// Puts the session where the site looks for it, unless the request has one.
    fn place_session(&self, subject: &Subject, trial: &mut Trial) -> Result<Evidence, CliError> {
        let settings = subject.authorizer.settings();
        let carrier = self.carrier.map(Carrier::from);
        if let Some(file) = &self.token {
            let token = input::read_token(file)?;
            input::place(&settings.sources, trial, carrier, &token)?;
            return Ok(Evidence::Token);
        }
        let Some(file) = &self.claims else {
            return Ok(Evidence::Token);
        };
        let mut claims = input::read_claims(file)?;
        if let Some(name) = &self.issuer {
            input::complete(&mut claims, name, &settings.verifier)?;
        }
        input::place(&settings.sources, trial, carrier, input::PLACEHOLDER)?;
        Ok(Evidence::Presumed(claims))
    }
}

impl Subject {
    /// The site with a state in which nobody has logged out, and who is revoked is.
    fn of(config: Config, index: Option<usize>, now: UnixTime) -> Result<Self, CliError> {
        let site = index.and_then(|index| config.sites.into_iter().nth(index));
        let none = || io::Error::from(io::ErrorKind::NotFound);
        let site = site.ok_or_else(none)?;
        let state = State::in_memory(Limits::default());
        state.revoke(site.revoked, now);
        Ok(Self {
            authorizer: Authorizer::new(site.authorizer, Arc::new(state)),
            upstreams: site.upstreams,
            inject: site.inject,
            chat: site.chat,
            rest_api: site.rest_api,
        })
    }

    /// Tells what was found, in the order of the walk, and how it ends.
    fn tell(
        &self,
        report: &mut Report,
        found: &Explanation<'_>,
        (presumed, now): (bool, UnixTime),
        body: Option<&[u8]>,
    ) {
        way::tell_route(report, found);
        session::tell(report, self, found, (presumed, now));
        if let Some(refusal) = &found.refusal {
            refusal::tell(report, self, &refusal.rejection, Some(found));
            return;
        }
        if let Some(announced) = &found.announced
            && let Err(refused) = webhook::tell(report, self, (announced, now), body)
        {
            refusal::tell(report, self, &Rejection::Webhook(refused), Some(found));
            return;
        }
        let (Some(call), Some(user_id)) = (&found.rest_call, found.user_id) else {
            way::tell_target(report, self, found);
            report.permit();
            return;
        };
        match call::tell(report, self, (call, user_id), body) {
            Ok(()) => report.permit(),
            Err(refused) => {
                refusal::tell(report, self, &Rejection::RestApi(refused), Some(found));
            }
        }
    }
}

impl From<Place> for Carrier {
    fn from(place: Place) -> Self {
        match place {
            Place::Header => Self::Header,
            Place::Cookie => Self::Cookie,
            Place::Query => Self::Query,
        }
    }
}
