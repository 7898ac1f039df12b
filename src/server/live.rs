//! Whether Chat takes the calls of sites as they are configured, asked of Chat itself, and whether issuers publish their keys
//! where the configuration says so.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Builder;
use tokio::sync::mpsc::{self, UnboundedSender};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::{chat, keys};
pub use crate::chat_client::Fault;
use crate::config::{KeySetSource, Site};
use crate::key_source::{KeySource, Observer, Refresh, SourceSettings};
use crate::token::keys::KeySet;

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

/// A key set that an issuer publishes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Published {
    /// The name of the issuer.
    pub issuer: String,
    /// The number of keys that are of use and of those that are not, or why there are none. The text names no address.
    pub keys: Result<(usize, usize), String>,
}

/// Fetches the published key sets of each site once, all at the same time, and gives them in the order of the sites and their
/// issuers. Takes half a minute at most. An error means that the system has no room for it.
pub fn fetch_key_sets(sites: &[Site]) -> io::Result<Vec<Vec<Published>>> {
    // As for `prove`.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = Builder::new_current_thread().enable_all().build()?;
    Ok(runtime.block_on(async {
        let mut fetched = JoinSet::new();
        for (site, index) in sites.iter().zip(0_usize..) {
            for source in site.key_sets.clone() {
                let place = (index, source.issuer);
                fetched.spawn(async move { (place, publication(source).await) });
            }
        }
        let mut fetched = fetched.join_all().await;
        fetched.sort_unstable_by_key(|(place, _)| *place);
        let mut found = vec![Vec::new(); sites.len()];
        for ((site, _), published) in fetched {
            if let Some(of_site) = found.get_mut(site) {
                of_site.push(published);
            }
        }
        found
    }))
}

async fn publication(source: KeySetSource) -> Published {
    let issuer = source.name.clone();
    let keys = match keys::settings(source) {
        Ok(settings) => fetch(settings).await,
        Err(error) => Err(error.error.to_string()),
    };
    Published { issuer, keys }
}

type Fetched = Result<(usize, usize), String>;

/// One set, by the code that a running proxy fetches it with.
async fn fetch(settings: SourceSettings) -> Fetched {
    let (sender, mut first) = mpsc::unbounded_channel();
    let source = KeySource::new(vec![settings], Arc::new(Listener(sender)));
    let source = source.map_err(|errors| {
        let errors = errors.iter().map(|error| error.error.to_string());
        errors.collect::<Vec<_>>().join(", ")
    })?;
    tokio::select! {
        () = source.run(std::future::pending()) => Err(TOO_SLOW.to_owned()),
        fetched = timeout(LIMIT, first.recv()) => match fetched {
            Ok(Some(fetched)) => fetched,
            Ok(None) | Err(_) => Err(TOO_SLOW.to_owned()),
        },
    }
}

/// Hears how a fetch ended.
struct Listener(UnboundedSender<Fetched>);

impl Observer for Listener {
    fn publish(&self, _: usize, _: KeySet) {}

    fn refreshed(&self, _: usize, _: &str, refresh: Refresh<'_>) {
        let fetched = match refresh {
            Refresh::Loaded { keys, ignored, .. } => Ok((keys, ignored.len())),
            Refresh::Failed(error) => Err(error.to_string()),
            Refresh::Expired => return,
        };
        // Only the first counts, and nobody listens to others.
        let _ = self.0.send(fetched);
    }
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

/// Longer than the two fetches of a discovery may take.
const LIMIT: Duration = Duration::from_secs(25);
const TOO_SLOW: &str = "the key server is too slow";
