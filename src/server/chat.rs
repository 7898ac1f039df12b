//! Chat as a site reaches it: the client that kicks and calls, and the gateway in front of that.

use std::sync::Arc;
use std::time::Instant;

use super::StartError;
use crate::chat_client::{ChatClient, Standing};
use crate::config::Chat;
use crate::proxy::{KnownRoles, RestGateway};
use crate::rest_api::Settings;
use crate::rest_api::budget::LocalBudgets;
use crate::rest_api::sign::{AdminAccount, Signer};

/// What calls Chat, where the configuration says how to reach it.
pub(super) fn client(chat: &Chat) -> Result<Option<Arc<ChatClient>>, StartError> {
    let Some((endpoint, admin)) = chat
        .endpoint
        .clone()
        .zip(AdminAccount::parse(&chat.admin).ok())
    else {
        return Ok(None);
    };
    let signer = Signer::new(endpoint, chat.sdk_app_id, chat.keys.active().clone(), admin);
    Ok(Some(Arc::new(ChatClient::new(signer)?)))
}

/// The gateway of a site that has one.
pub(super) fn gateway(
    settings: Option<Settings>,
    chat: &Chat,
    client: Option<&Arc<ChatClient>>,
) -> Option<RestGateway> {
    let (settings, client) = settings.zip(client)?;
    Some(RestGateway {
        policy: settings.policy,
        budgets: Box::new(LocalBudgets::new(settings.limits)),
        roles: KnownRoles::new(settings.group_role_max_age),
        chat: client.clone(),
        reserved: chat.reserved.clone(),
        sdk_app_id: chat.sdk_app_id,
        http_status: settings.http_status,
        started: Instant::now(),
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
