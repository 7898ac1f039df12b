//! Resolves the names of key servers and lets through only the addresses that an issuer's rule admits.
//!
//! Sits inside the HTTP client, between the look-up and the connection, so that no name can lead past it.

use std::error::Error;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use crate::token::keys::address::AddressRule;

/// What turns a name into addresses.
pub(super) trait Lookup: Send + Sync + 'static {
    /// The addresses of a host name, in the order to try them.
    fn lookup(
        &self,
        name: String,
    ) -> Pin<Box<dyn Future<Output = io::Result<Vec<SocketAddr>>> + Send>>;
}

/// The resolver of the system.
pub(super) struct SystemLookup;

impl Lookup for SystemLookup {
    fn lookup(
        &self,
        name: String,
    ) -> Pin<Box<dyn Future<Output = io::Result<Vec<SocketAddr>>> + Send>> {
        Box::pin(async move { Ok(tokio::net::lookup_host((name, 0)).await?.collect()) })
    }
}

/// Resolves names for the HTTP client and hands it only what the rule admits.
pub(super) struct GuardedResolver {
    pub(super) rule: AddressRule,
    pub(super) lookup: Arc<dyn Lookup>,
}

impl Resolve for GuardedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let (rule, lookup) = (self.rule, Arc::clone(&self.lookup));
        let name = name.as_str().to_owned();
        Box::pin(async move {
            let found = lookup.lookup(name.clone()).await?;
            let admitted = rule.filter(&name, &found).map_err(BoxError::from)?;
            Ok::<Addrs, BoxError>(Box::new(admitted.into_iter()))
        })
    }
}

type BoxError = Box<dyn Error + Send + Sync>;
