//! Which of several things answers for the host of a request.

use std::collections::HashMap;

use crate::policy::HostName;
use crate::rejection::Rejection;

/// Things by the hosts that they answer for.
#[derive(Clone, Debug)]
pub struct Hosts<T> {
    any_host: Option<T>,
    by_host: HashMap<HostName, T>,
}

impl<T: Clone> Hosts<T> {
    /// Takes each with its hosts; one without hosts answers for every host that is no other's.
    pub fn new(all: impl IntoIterator<Item = (Vec<HostName>, T)>) -> Self {
        let mut by_host = HashMap::new();
        let mut any_host = None;
        for (hosts, one) in all {
            if hosts.is_empty() {
                any_host = Some(one.clone());
            }
            by_host.extend(hosts.into_iter().map(|host| (host, one.clone())));
        }
        Self { any_host, by_host }
    }

    /// The one for a request that names this host, if it names one.
    pub fn find(&self, host: Option<&str>) -> Result<&T, Rejection> {
        let named = match host {
            Some(host) if !self.by_host.is_empty() => {
                let host = HostName::from_authority(host).map_err(Rejection::HostInvalid)?;
                self.by_host.get(&host)
            }
            Some(_) | None => None,
        };
        named
            .or(self.any_host.as_ref())
            .ok_or(Rejection::HostUnknown)
    }
}
