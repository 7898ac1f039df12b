//! How webhooks are checked, for the routes that take them.

use std::num::NonZeroUsize;
use std::ops::RangeInclusive;
use std::time::Duration;

use super::chat;
use crate::config::raw::{Table, Value};
use crate::config::secrets::Secrets;
use crate::policy::{Access, RouteTable};
use crate::secret::SecretBytes;
use crate::webhook::{Settings, Tokens};

/// The outcome of `[webhook]`: nothing where it has an error, nobody's settings where it is not there.
pub(super) fn section(
    root: &Table<'_>,
    secrets: &Secrets<'_>,
    chat: Option<&chat::Section>,
) -> Option<Option<Settings>> {
    let Some(section) = root.get("webhook") else {
        return Some(None);
    };
    let table = section.table(KEYS)?;
    let tokens = tokens(&table, secrets);
    let max_age = table.duration_or("max_age", DEFAULT_MAX_AGE, MAX_AGES);
    let max_body = table.size_or("max_body", DEFAULT_MAX_BODY, MAX_BODIES);
    let replay_capacity = table.integer_or("replay_capacity", DEFAULT_CAPACITY, CAPACITIES);
    Some(Some(Settings {
        sdk_app_id: chat?.sdk_app_id,
        tokens: Tokens::new(tokens?),
        max_age,
        max_body: usize::try_from(max_body).ok()?,
        replay_capacity: NonZeroUsize::new(usize::try_from(replay_capacity).ok()?)?,
    }))
}

/// What is checked for no route is a mistake somewhere; a route that has an error may be the one that is meant.
pub(super) fn check_use(root: &Table<'_>, routes: &RouteTable) {
    let mut accesses = routes.routes().map(|route| route.access);
    if let Some(section) = root.get("webhook")
        && !accesses.any(|access| access == Access::Webhook)
        && !root.report().has_errors()
    {
        section.warn(
            "no route takes webhooks",
            "access = \"webhook\" on the route that the console's URL names",
        );
    }
}

/// One token, or several while one takes the place of another.
fn tokens(table: &Table<'_>, secrets: &Secrets<'_>) -> Option<Vec<SecretBytes>> {
    match (table.get("token"), table.get("tokens")) {
        (Some(one), None) => Some(vec![token(&one, secrets)?]),
        (None, Some(several)) => {
            let items = several.some_items(TOKEN_HINT)?;
            if items.len() > MAX_TOKENS {
                several.error(format!("more than {MAX_TOKENS} tokens"), TOKENS_HINT);
                return None;
            }
            // All of them are read, so that each that is wrong is reported.
            let read: Vec<_> = items.iter().map(|item| token(item, secrets)).collect();
            read.into_iter().collect()
        }
        (Some(_), Some(several)) => {
            several.error("stands beside token", "one of the two");
            None
        }
        (None, None) => {
            table.require("token", TOKEN_HINT);
            None
        }
    }
}

/// Who sees the URL of one webhook can try tokens by himself.
fn token(value: &Value<'_>, secrets: &Secrets<'_>) -> Option<SecretBytes> {
    let token = secrets.read(value)?;
    if token.len() < GOOD_TOKEN_BYTES {
        value.warn(
            "the token is short enough to be guessed by who sees one webhook",
            "16 random letters or more, here and in the console",
        );
    }
    Some(token)
}

const KEYS: &[&str] = &["token", "tokens", "max_age", "max_body", "replay_capacity"];
const TOKEN_HINT: &str =
    "token = { file = \"..\" }: the token that the console signs webhooks with";
const TOKENS_HINT: &str = "the one of the console, and the one before or after it";
const MAX_TOKENS: usize = 4;
const GOOD_TOKEN_BYTES: usize = 16;
/// No window is documented; the clocks of both sides may differ.
const DEFAULT_MAX_AGE: Duration = Duration::from_secs(120);
const MAX_AGES: RangeInclusive<Duration> = Duration::from_secs(10)..=Duration::from_secs(900);
/// A message has 12 KB, of which each byte may take six as an escape in JSON.
const DEFAULT_MAX_BODY: u64 = 128 << 10;
const MAX_BODIES: RangeInclusive<u64> = 1 << 10..=1 << 20;
const DEFAULT_CAPACITY: u64 = 1_000_000;
const CAPACITIES: RangeInclusive<u64> = 1..=100_000_000;
