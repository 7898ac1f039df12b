//! The apps behind the proxy, made from what the configuration says of them.

use std::sync::Arc;

use super::StartError;
use crate::config::{Balance, HealthCheck, ServerAddress, Upstream};
use crate::metrics::Metrics;
use crate::proxy::{
    self, Check, CheckRequest, Location, Roots, Thresholds, Timeouts, UpstreamSettings, Upstreams,
};

/// Makes the upstreams of a site. Servers that `earlier` has, too, keep their health.
pub(super) fn build(
    site: &Arc<str>,
    upstreams: &[Upstream],
    metrics: &Arc<Metrics>,
    earlier: Option<&Upstreams>,
) -> Result<Upstreams, StartError> {
    let settings: Result<Vec<_>, _> = upstreams.iter().map(settings).collect();
    Ok(Upstreams::new(site, settings?, metrics, earlier))
}

fn settings(upstream: &Upstream) -> Result<UpstreamSettings, StartError> {
    let server = |address: &ServerAddress| (address.to_string(), location(upstream, address));
    let roots = upstream.ca.as_deref().map(Roots::parse).transpose();
    let roots = roots.map_err(|source| StartError::Roots {
        upstream: upstream.name.clone(),
        source,
    })?;
    Ok(UpstreamSettings {
        name: upstream.name.clone(),
        servers: upstream.servers.iter().map(server).collect(),
        balance: match upstream.balance {
            Balance::RoundRobin => proxy::Balance::RoundRobin,
            Balance::LeastRequests => proxy::Balance::LeastRequests,
        },
        roots,
        http2: upstream.http2,
        timeouts: Timeouts {
            connect: upstream.connect_timeout,
            read: upstream.read_timeout,
            write: upstream.write_timeout,
            idle: upstream.idle_timeout,
        },
        check: upstream.health.as_ref().map(check),
    })
}

fn location(upstream: &Upstream, address: &ServerAddress) -> Location {
    let (authority, is_tls) = match address {
        ServerAddress::Http(authority) => (authority, false),
        ServerAddress::Https(authority) => (authority, true),
        ServerAddress::Unix(path) => return Location::Unix(path.display().to_string()),
    };
    let host = authority.bare_host();
    let name = upstream.server_name.as_deref().unwrap_or(host);
    Location::Tcp {
        host: host.to_owned(),
        port: authority.port,
        tls: is_tls.then(|| name.to_owned()),
    }
}

fn check(health: &HealthCheck) -> Check {
    let request = health.request.as_ref().map(|request| CheckRequest {
        path: request.path.clone(),
        host: request.host.clone(),
        statuses: request.statuses.clone(),
    });
    Check {
        request,
        interval: health.interval,
        timeout: health.timeout,
        thresholds: Thresholds {
            unhealthy_after: health.unhealthy_after,
            healthy_after: health.healthy_after,
        },
    }
}
