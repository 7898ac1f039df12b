//! The Chat application and the life of its UserSigs.

mod profile;
mod ring;

use std::num::NonZeroUsize;
use std::ops::RangeInclusive;
use std::time::Duration;

use crate::config::raw::{Table, Value};
use crate::config::secrets::Secrets;
use crate::identity::{ReservedNames, UserId};
use crate::policy::RouteTable;
use crate::rest_api::sign::Endpoint;
use crate::usersig::ring::KeyRing;
use crate::usersig::{Lifetime, SdkAppId};

/// What `[chat]` says.
pub(super) struct Section {
    pub(super) sdk_app_id: SdkAppId,
    pub(super) keys: KeyRing,
    pub(super) admin: String,
    pub(super) endpoint: Option<Endpoint>,
    pub(super) lifetime: Lifetime,
    pub(super) min_remaining: Duration,
    pub(super) cap_to_session: bool,
    pub(super) cache_capacity: NonZeroUsize,
    pub(super) profile: Option<profile::Section>,
}

pub(super) fn section(root: &Table<'_>, secrets: &Secrets<'_>) -> Option<Section> {
    let table = root
        .require("chat", "add [chat] with sdk_app_id, secret_key and admin")?
        .table(&[
            "sdk_app_id",
            "secret_key",
            "keys",
            "admin",
            "region",
            "endpoint",
            "usersig",
            "profile",
        ])?;
    let sdk_app_id = table
        .require("sdk_app_id", "the SDKAppID of the console")
        .and_then(|value| sdk_app_id(&value));
    let keys = ring::keys(&table, secrets);
    let admin = table
        .require(
            "admin",
            "an administrator of the console, as in \"administrator\"",
        )
        .and_then(|value| account(&value));
    let endpoint = endpoint(&table, secrets.demo);
    let usersig = table.section("usersig", USERSIG_KEYS);
    let lifetime = usersig.duration_or("lifetime", DEFAULT_LIFETIME, LIFETIMES);
    let min_remaining = min_remaining(&usersig, lifetime);
    let cap_to_session = usersig.boolean_or("cap_to_session", false);
    let cache_capacity = usersig.integer_or("cache_capacity", 1_000_000, 1..=100_000_000);
    let profile = profile::section(&table);
    Some(Section {
        sdk_app_id: sdk_app_id?,
        keys: keys?,
        admin: admin?,
        endpoint,
        lifetime: Lifetime::new(lifetime).ok()?,
        min_remaining,
        cap_to_session,
        cache_capacity: NonZeroUsize::new(usize::try_from(cache_capacity).ok()?)?,
        profile,
    })
}

/// A route that ends sessions needs to know where Chat is.
pub(super) fn check_kicks(root: &Table<'_>, chat: &Section, routes: &RouteTable) {
    let kicks = routes
        .routes()
        .any(|route| route.answer.as_ref().is_some_and(|rule| rule.ends_session));
    if kicks
        && chat.endpoint.is_none()
        && let Some(value) = root.get("chat")
    {
        value.error(
            "a route has on_success = \"kick\", and nothing says where Chat is",
            "region = \"china\", or another in which the application is",
        );
    }
}

/// Where the REST API is: a region of Chat, or an address of one's own.
fn endpoint(table: &Table<'_>, demo: bool) -> Option<Endpoint> {
    match (table.get("region"), table.get("endpoint")) {
        (None, None) => None,
        (Some(region), None) if demo => {
            region.error(
                "a demo reaches nothing outside this machine",
                "endpoint = \"http://127.0.0.1:8090\"",
            );
            None
        }
        (Some(region), None) => {
            let known: Vec<_> = Endpoint::regions().collect();
            region.parsed_word(&known, "", Endpoint::of_region)
        }
        (None, Some(endpoint)) => {
            let parsed = endpoint.parsed(Endpoint::parse)?;
            if demo && !parsed.is_loopback() {
                endpoint.error(
                    "a demo reaches nothing outside this machine",
                    "an address of loopback",
                );
                return None;
            }
            Some(parsed)
        }
        (Some(_), Some(endpoint)) => {
            endpoint.error("stands beside region", "one of the two");
            None
        }
    }
}

/// The name of an account of the Chat application.
pub(super) fn account(value: &Value<'_>) -> Option<String> {
    value
        .parsed(|name| UserId::parse(name, &ReservedNames::default()))
        .map(|account| account.as_str().to_owned())
}

fn sdk_app_id(value: &Value<'_>) -> Option<SdkAppId> {
    let number = value.integer(1..=u32::MAX.into())?;
    SdkAppId::new(u32::try_from(number).ok()?)
}

fn min_remaining(table: &Table<'_>, lifetime: Duration) -> Duration {
    let range = Duration::from_secs(1)..=*LIFETIMES.end();
    let half = Duration::from_secs(lifetime.as_secs() / 2);
    let default = half.min(MOST_OF_DEFAULT_MIN_REMAINING);
    let min_remaining = table.duration_or("min_remaining", default, range);
    if let Some(value) = table.get("min_remaining")
        && min_remaining >= lifetime
    {
        value.error(
            "must be below lifetime",
            "half the lifetime is a good start; the default is that, or \"24h\" where that is less",
        );
    }
    min_remaining
}

const USERSIG_KEYS: &[&str] = &[
    "lifetime",
    "min_remaining",
    "cap_to_session",
    "cache_capacity",
];
const DEFAULT_LIFETIME: Duration = Duration::from_secs(7 * 86_400);
/// Less where half the lifetime is.
const MOST_OF_DEFAULT_MIN_REMAINING: Duration = Duration::from_secs(86_400);
/// Up to what `TLS.expire` holds, in whole days.
const LIFETIMES: RangeInclusive<Duration> =
    Duration::from_secs(60)..=Duration::from_secs(49_710 * 86_400);
