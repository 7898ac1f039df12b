//! Where session tokens are found and whose are believed.

use std::sync::Arc;
use std::time::Duration;

use http::HeaderName;
use serde_json::json;

use super::identity::Site;
use super::rest_api::IssuerRoles;
use super::{keys, revoked};
use crate::authorize::ClaimRules;
use crate::config::KeySetSource;
use crate::config::error::Place;
use crate::config::raw::{Table, Value};
use crate::config::secrets::Secrets;
use crate::json::JsonPointer;
use crate::policy::header_name::Folded;
use crate::state::revocation::Revocations;
use crate::token::extract::{TokenSource, TokenSources};
use crate::token::verify::{Fractions, TokenIssuer, Verifier};

/// What `[session]` says.
#[derive(Default)]
pub(super) struct Section {
    pub(super) sources: Vec<TokenSource>,
    pub(super) token_sources: Option<TokenSources>,
    pub(super) verifier: Option<Verifier>,
    pub(super) claim_rules: Option<Vec<ClaimRules>>,
    pub(super) key_sets: Vec<KeySetSource>,
    pub(super) revoked: Option<Arc<Revocations>>,
    pub(super) roles: Vec<IssuerRoles>,
    /// Bytes.
    pub(super) token_memory: usize,
}

pub(super) fn section(root: &Table<'_>, secrets: &Secrets<'_>, identity: &Site) -> Section {
    let keys = &[
        "from",
        "leeway",
        "max_lifetime",
        "shared_identity",
        "token_memory",
        "revoked",
        "issuer",
    ];
    let table = root
        .require("session", ISSUER_HINT)
        .and_then(|value| value.table(keys));
    let Some(table) = table else {
        return Section::default();
    };
    let sources = sources(&table);
    let leeway = table.duration_or("leeway", DEFAULT_LEEWAY, Duration::ZERO..=MAX_LEEWAY);
    let max_lifetime = table.duration_or("max_lifetime", MONTH, MINUTE..=12 * MONTH);
    let token_memory = table.size_or("token_memory", DEFAULT_MEMORY, 0..=MAX_MEMORY);
    let entries = table
        .require("issuer", ISSUER_HINT)
        .and_then(|value| value.some_items(ISSUER_HINT))
        .unwrap_or_default();
    let issuers: Vec<Issuer> = entries
        .iter()
        .filter_map(|entry| issuer(entry, secrets, identity))
        .collect();
    check_unique(&table, &issuers);
    if !table.boolean_or("shared_identity", false) {
        check_disjoint(&table, &issuers);
    }
    let key_sets = key_sets(&issuers);
    let are_complete = issuers.len() == entries.len();
    let names = issuers.iter().map(|issuer| issuer.name.as_deref());
    let names = names.collect::<Option<Vec<_>>>().filter(|_| are_complete);
    let revoked = revoked::list(&table, names, secrets);
    let roles = issuers.iter().map(|issuer| issuer.roles.clone()).collect();
    let (verifier, claim_rules) = verifier(&table, issuers, leeway, max_lifetime).unzip();
    Section {
        token_sources: token_sources(&table, &sources),
        sources,
        verifier,
        claim_rules,
        key_sets,
        revoked,
        roles,
        token_memory: usize::try_from(token_memory).unwrap_or(usize::MAX),
    }
}

/// An entry of `[[session.issuer]]`; what had an error is `None`.
struct Issuer {
    place: Place,
    name: Option<String>,
    issuer: Option<String>,
    audience: Vec<String>,
    keys: Option<keys::IssuerKeys>,
    fractions: Fractions,
    rules: Option<ClaimRules>,
    roles: IssuerRoles,
}

impl Issuer {
    fn finish(self) -> Option<(TokenIssuer, ClaimRules)> {
        let keys = self.keys?;
        let issuer = TokenIssuer {
            name: self.name?,
            issuer: self.issuer,
            audience: self.audience,
            algorithms: keys.algorithms,
            keys: keys.keys,
            fractions: self.fractions,
        };
        Some((issuer, self.rules?))
    }
}

fn issuer(entry: &Value<'_>, secrets: &Secrets<'_>, identity: &Site) -> Option<Issuer> {
    let table = entry.table(ISSUER_KEYS)?;
    let text = |value: Value<'_>| value.text().map(str::to_owned);
    let name = table
        .require("name", "name = \"app\"")
        .and_then(|value| value.name());
    let audience = table
        .get("audience")
        .and_then(|value| value.some_items("leave it out if the tokens have no aud"))
        .unwrap_or_default();
    let require = require(&table);
    let map = identity.map_for(table.get("identity"), secrets);
    let roles_claim = table.get("roles_claim");
    Some(Issuer {
        place: entry.place().clone(),
        name: name.map(str::to_owned),
        issuer: table.get("issuer").and_then(text),
        audience: audience.into_iter().filter_map(text).collect(),
        keys: keys::of_issuer(&table, secrets),
        fractions: match table.boolean_or("fractional_times", false) {
            true => Fractions::CutOff,
            false => Fractions::Refuse,
        },
        rules: require
            .zip(map)
            .map(|(require, identity)| ClaimRules { require, identity }),
        roles: IssuerRoles {
            name: name.map(str::to_owned),
            claim: roles_claim.and_then(|value| value.parsed(JsonPointer::parse)),
        },
    })
}

/// The published key sets, by the index that their issuers have when none has an error.
fn key_sets(issuers: &[Issuer]) -> Vec<KeySetSource> {
    let source = |(index, issuer): (usize, &Issuer)| {
        let keys = issuer.keys.as_ref()?;
        let published = keys.published.as_ref()?;
        Some(KeySetSource {
            issuer: index,
            name: issuer.name.clone()?,
            location: published.location.clone(),
            algorithms: keys.algorithms.clone(),
            allow_private: published.allow_private,
            refresh: published.refresh,
            max_age: published.max_age,
            ca: published.ca.clone(),
        })
    };
    issuers.iter().enumerate().filter_map(source).collect()
}

fn require(table: &Table<'_>) -> Option<Vec<(JsonPointer, serde_json::Value)>> {
    let Some(value) = table.get("require") else {
        return Some(Vec::new());
    };
    let claims = value.map()?;
    let mut rules = Vec::new();
    let mut complete = true;
    for (claim, value) in claims.entries() {
        let pointer = JsonPointer::parse(claim);
        if let Err(error) = &pointer {
            value.error(error.to_string(), "{ \"/token_type\" = \"access\" }");
        }
        match pointer.ok().zip(value.json()) {
            Some(rule) => rules.push(rule),
            None => complete = false,
        }
    }
    complete.then_some(rules)
}

fn verifier(
    table: &Table<'_>,
    issuers: Vec<Issuer>,
    leeway: Duration,
    max_lifetime: Duration,
) -> Option<(Verifier, Vec<ClaimRules>)> {
    let parts = issuers.into_iter().map(Issuer::finish);
    let (issuers, rules): (Vec<_>, Vec<_>) = parts.collect::<Option<_>>()?;
    match Verifier::new(issuers, leeway, max_lifetime) {
        Ok(verifier) => Some((verifier, rules)),
        // The report has it already, with its place.
        Err(_) if table.report().has_errors() => None,
        Err(error) => {
            let place = table.place_of("issuer");
            table.report().error(&place, error.to_string(), "");
            None
        }
    }
}

fn check_unique(table: &Table<'_>, issuers: &[Issuer]) {
    let report = table.report();
    for (index, later) in issuers.iter().enumerate() {
        for earlier in issuers.iter().take(index) {
            let line = report.line(&earlier.place);
            if later.name.is_some() && later.name == earlier.name {
                let problem = format!("has the name of the issuer in line {line}");
                report.error(&later.place, problem, "give each its own name");
            }
            if later.issuer != earlier.issuer {
                continue;
            }
            let (problem, hint) = match later.issuer {
                Some(_) => ("has the same issuer as", "one entry for each iss"),
                None => (
                    "leaves issuer out, and so does",
                    "only one entry may take the tokens without iss",
                ),
            };
            report.error(
                &later.place,
                format!("{problem} the entry in line {line}"),
                hint,
            );
        }
    }
}

/// Subject 42 of one issuer must not become subject 42 of another.
fn check_disjoint(table: &Table<'_>, issuers: &[Issuer]) {
    let report = table.report();
    for (index, later) in issuers.iter().enumerate() {
        let meets = |earlier: &&Issuer| match (&earlier.rules, &later.rules) {
            (Some(one), Some(two)) => !one.identity.is_disjoint_from(&two.identity),
            _ => false,
        };
        if let Some(earlier) = issuers.iter().take(index).find(meets) {
            let line = report.line(&earlier.place);
            let problem = format!(
                "may give a subject the UserID of another subject of the issuer in line {line}"
            );
            report.error(&later.place, problem, DISJOINT_HINT);
        }
    }
}

fn sources(table: &Table<'_>) -> Vec<TokenSource> {
    let default = || json!([{ "header": "Authorization", "scheme": "Bearer" }]);
    let Some(value) = table.get_or("from", default) else {
        return vec![TokenSource::Header {
            name: http::header::AUTHORIZATION,
            scheme: Some("Bearer".to_owned()),
        }];
    };
    value
        .some_items(SOURCE_HINT)
        .unwrap_or_default()
        .iter()
        .filter_map(source)
        .collect()
}

fn source(value: &Value<'_>) -> Option<TokenSource> {
    let table = value.table(&["header", "scheme", "cookie", "query"])?;
    let scheme = table.get("scheme");
    let source = match (table.get("header"), table.get("cookie"), table.get("query")) {
        (Some(header), None, None) => header_source(&header, scheme)?,
        (None, Some(cookie), None) if scheme.is_none() => TokenSource::Cookie {
            name: cookie.text()?.to_owned(),
        },
        (None, None, Some(query)) if scheme.is_none() => {
            query.warn(
                "a token in the query ends in logs and histories; it counts on a WebSocket upgrade only",
                "a cookie serves browsers there as well",
            );
            TokenSource::Query {
                name: query.text()?.to_owned(),
            }
        }
        _ => {
            value.error("must name one place of the token", SOURCE_HINT);
            return None;
        }
    };
    match TokenSources::new(vec![source.clone()]) {
        Ok(_) => Some(source),
        Err(error) => {
            value.error(error.to_string(), "");
            None
        }
    }
}

fn header_source(header: &Value<'_>, scheme: Option<Value<'_>>) -> Option<TokenSource> {
    let name = header.parsed(|text| text.parse::<HeaderName>())?;
    if !super::inject::may_carry_a_value(&name) {
        header.error(
            "is a header of HTTP itself",
            "Authorization, or a header of your own",
        );
        return None;
    }
    if Folded::of(name.as_str().as_bytes()).is_reserved() {
        header.error(
            "is removed from every request, because clients may not say where one comes from",
            "Authorization, or a header of your own that is not X-Forwarded-.. or the like",
        );
        return None;
    }
    if scheme.is_none() && name == http::header::AUTHORIZATION {
        header.error(
            "needs the scheme that precedes the token",
            "scheme = \"Bearer\"",
        );
        return None;
    }
    let scheme = match scheme {
        Some(value) => Some(value.text()?.to_owned()),
        None => None,
    };
    Some(TokenSource::Header { name, scheme })
}

fn token_sources(table: &Table<'_>, sources: &[TokenSource]) -> Option<TokenSources> {
    if sources.is_empty() {
        return None;
    }
    match TokenSources::new(sources.to_vec()) {
        Ok(sources) => Some(sources),
        Err(error) => {
            let place = table
                .get("from")
                .map_or_else(|| table.place_of("from"), |value| value.place().clone());
            table.report().error(&place, error.to_string(), "");
            None
        }
    }
}

const ISSUER_KEYS: &[&str] = &[
    "name",
    "issuer",
    "audience",
    "algorithms",
    "keys",
    "require",
    "fractional_times",
    "allow_short_secret",
    "allow_private",
    "identity",
    "roles_claim",
];
const ISSUER_HINT: &str = "add [[session.issuer]] with name, algorithms and keys";
const SOURCE_HINT: &str = "{ header = \"Authorization\", scheme = \"Bearer\" }, { cookie = \"..\" } or { query = \"..\" }";
const DISJOINT_HINT: &str = "end identity.transform of each issuer in a prefix of its own, or say \
                             session.shared_identity = true if a subject is the same person everywhere";
const DEFAULT_LEEWAY: Duration = Duration::from_secs(30);
/// Some 200,000 tokens.
const DEFAULT_MEMORY: u64 = 64 << 20;
const MAX_MEMORY: u64 = 64 << 30;
const MAX_LEEWAY: Duration = Duration::from_secs(600);
const MINUTE: Duration = Duration::from_secs(60);
const MONTH: Duration = Duration::from_secs(30 * 86_400);
