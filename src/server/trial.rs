//! A request that nobody sent before the sites of a configuration that nobody runs: which would take it, and how it would
//! reach that site's walk.

use http::header::HeaderName;

use super::sites::{limits, names};
use crate::config::Config;
use crate::proxy::Hosts;
pub use crate::proxy::{Trial, TrialError, redacted};
use crate::rejection::Rejection;

/// How a request arrives.
#[derive(Debug)]
pub struct Arrival {
    /// The index of the site that takes it.
    pub site: Option<usize>,
    /// The headers that were stripped.
    pub stripped: Vec<HeaderName>,
    /// Why it is refused before any walk.
    pub rejection: Option<Rejection>,
}

/// Strips a request as its site would, which is that of its host, or this one.
pub fn arrive(config: &Config, site: Option<usize>, trial: &mut Trial) -> Arrival {
    let mut arrival = Arrival {
        site,
        stripped: Vec::new(),
        rejection: None,
    };
    arrival.rejection = enter(config, trial, &mut arrival).err();
    arrival
}

fn enter(config: &Config, trial: &mut Trial, arrival: &mut Arrival) -> Result<(), Rejection> {
    let sites = config.sites.iter().enumerate();
    let hosts = match arrival.site {
        Some(chosen) => Hosts::new([(Vec::new(), chosen)]),
        None => Hosts::new(sites.map(|(index, site)| (site.hosts.clone(), index))),
    };
    let index = *trial.find(&hosts, &limits(&config.runtime))?;
    arrival.site = Some(index);
    let site = config.sites.get(index).ok_or(Rejection::Internal)?;
    let all_names = config.sites.iter().map(|site| names(site.inject.clone()));
    let all_names: Vec<_> = all_names.collect();
    let tokens = site.authorizer.sources.headers();
    arrival.stripped = trial.strip(&names(site.inject.clone()), &all_names, tokens)?;
    Ok(())
}
