//! Chat as a site reaches it: the client that kicks and calls, and the gateway in front of that.

use std::sync::Arc;
use std::time::Instant;

use super::StartError;
use super::fleet::SiteBudgets;
use crate::chat_client::{ChatClient, Standing};
use crate::config::Chat;
use crate::proxy::{KnownRoles, ProfileImports, RestGateway};
use crate::rest_api::Settings;
use crate::rest_api::budget::{Limits, LocalBudgets};
use crate::rest_api::sign::{AdminAccount, Signer};
use crate::state::redis::Fleet;

/// How much the site's callers have called, and since when that is counted. It goes on by the site's name, so that no reload gives
/// them a second go.
pub(super) struct Usage {
    budgets: LocalBudgets,
    started: Instant,
}

impl Usage {
    /// That of a new site.
    fn none() -> Self {
        Self {
            budgets: LocalBudgets::new(Limits::default()),
            started: Instant::now(),
        }
    }

    /// The site's own until now, whether it has a gateway or not.
    pub(super) fn after(earlier: Option<&Arc<Self>>) -> Arc<Self> {
        earlier.map_or_else(|| Arc::new(Self::none()), Arc::clone)
    }
}

/// What calls Chat, where the configuration says how to reach it; it goes on from the site's earlier one.
pub(super) fn client(
    chat: &Chat,
    earlier: Option<&ChatClient>,
) -> Result<Option<Arc<ChatClient>>, StartError> {
    let Some((endpoint, admin)) = chat
        .endpoint
        .clone()
        .zip(AdminAccount::parse(&chat.admin).ok())
    else {
        return Ok(None);
    };
    let signer = Signer::new(endpoint, chat.sdk_app_id, chat.keys.active().clone(), admin);
    let client = ChatClient::new(signer)?;
    Ok(Some(Arc::new(match earlier {
        Some(earlier) => client.succeeding(earlier),
        None => client,
    })))
}

/// The gateway of a site that has one.
pub(super) fn gateway(
    settings: Option<Settings>,
    chat: &Chat,
    client: Option<&Arc<ChatClient>>,
    usage: &Usage,
    fleet: Option<&Fleet>,
) -> Option<RestGateway> {
    let (settings, client) = settings.zip(client)?;
    Some(RestGateway {
        policy: settings.policy,
        budgets: Box::new(SiteBudgets {
            local: usage.budgets.succeeded_by(settings.limits),
            started: usage.started,
            shared: fleet.map(|fleet| fleet.budget(chat.sdk_app_id)),
        }),
        roles: KnownRoles::new(settings.group_role_max_age),
        chat: client.clone(),
        reserved: chat.reserved.clone(),
        sdk_app_id: chat.sdk_app_id,
        http_status: settings.http_status,
        started: usage.started,
    })
}

/// How the site's profiles are imported, if they are.
pub(super) fn imports(chat: &Chat, client: Option<&Arc<ChatClient>>) -> Option<ProfileImports> {
    Some(ProfileImports {
        importer: client?.clone(),
        sdk_app_id: chat.sdk_app_id,
        endpoint: chat.endpoint.clone()?,
        reserved: chat.reserved.clone(),
        per_second: chat.imports?.per_second,
        queue_capacity: chat.imports?.queue_capacity,
    })
}

/// A line for people, where something is wrong.
pub(super) fn report(site: &str, standing: Standing) -> String {
    let mut lines = String::new();
    if let Some(error_code) = standing.alarm {
        lines.push_str(&format!(
            "chat of site {site}: ErrorCode {error_code}: its configuration is wrong\n"
        ));
    }
    if standing.is_paused {
        lines.push_str(&format!(
            "chat of site {site}: too many signatures were refused (70050); no call for a minute\n"
        ));
    }
    lines
}
