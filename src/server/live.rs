//! Whether Chat takes the calls of sites as they are configured, asked of Chat itself.

use tokio::runtime::Builder;
use tokio::task::JoinSet;

use super::chat;
pub use crate::chat_client::Fault;
use crate::config::Site;

/// What Chat itself says of a site's configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Live {
    /// Application, key, administrator and host are right.
    Proven,
    /// Nothing says where Chat is.
    NothingToTry,
    /// Chat does not take the site's calls.
    Failed(Fault),
}

/// Asks Chat about each site, about all at once, and gives the answers in their order. Takes seconds at most. An error means
/// that the system has no room for it.
pub fn prove(sites: &[Site]) -> std::io::Result<Vec<Live>> {
    // Before anything speaks TLS. An error means that there is one already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = Builder::new_current_thread().enable_all().build()?;
    Ok(runtime.block_on(async {
        let mut asked = JoinSet::new();
        for (index, site) in sites.iter().enumerate() {
            let client = chat::client(&site.chat, None);
            asked.spawn(async move {
                let live = match client {
                    Err(_) => Live::Failed(Fault::NoRoots),
                    Ok(None) => Live::NothingToTry,
                    Ok(Some(client)) => match client.prove().await {
                        Ok(()) => Live::Proven,
                        Err(fault) => Live::Failed(fault),
                    },
                };
                (index, live)
            });
        }
        let mut answers = asked.join_all().await;
        answers.sort_unstable_by_key(|(index, _)| *index);
        answers.into_iter().map(|(_, live)| live).collect()
    }))
}
