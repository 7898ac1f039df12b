//! The way of a request: its site, its route and why that one, where it goes and what is injected.

use super::Subject;
use super::report::{Report, list};
use crate::authorize::explain::{Explanation, Way};
use crate::authorize::{AnswerRule, ENDPOINT_ROUTE, Inject, REST_ROUTE, Target};
use crate::config::{Config, InjectNames};
use crate::policy::{Access, CanonicalPath, Methods, Route};
use crate::server::Arrival;

/// The site, and what was stripped on the way to it.
pub(super) fn tell_arrival(
    report: &mut Report,
    config: &Config,
    arrival: &Arrival,
    is_chosen: bool,
) {
    let site = arrival.site.and_then(|index| config.sites.get(index));
    let Some(site) = site else {
        report.say("site", "none");
        return;
    };
    let why = match (is_chosen, site.hosts.is_empty()) {
        (true, _) => "as asked for".to_owned(),
        (false, true) => "it answers for every host".to_owned(),
        (false, false) => {
            let hosts = site.hosts.iter().map(|host| host.as_str());
            format!("it answers for {}", list(hosts, ""))
        }
    };
    report.say("site", format!("{} ({why})", site.name));
    if !arrival.stripped.is_empty() {
        let names = arrival.stripped.iter().map(|name| name.as_str());
        let names = list(names, "");
        report.say("stripped", format!("{names} (no client may send this)"));
    }
}

/// The route, why it is this one, and who may pass.
pub(super) fn tell_route(report: &mut Report, found: &Explanation<'_>) {
    if let Some(method) = &found.preflight {
        let text = format!("asks about {method}, so the route is that of {method}");
        report.say("preflight", text);
    }
    let Some(way) = &found.way else {
        return;
    };
    report.note_route(&way.route);
    let winner = winner(found, way);
    report.say("route", format!("{} ({})", way.route, why(way, winner)));
    let at = winner.and_then(|winner| position(found, winner));
    let (before, after) = match at {
        Some(at) => (found.matching.get(..at), found.matching.get(at + 1..)),
        None => (Some(&found.matching[..]), None),
    };
    for route in before.unwrap_or_default() {
        report.say(
            "passed over",
            format!("{} (only for {})", route.name, methods(route)),
        );
    }
    for route in after.unwrap_or_default() {
        report.say(
            "less specific",
            format!("{} ({})", route.name, methods(route)),
        );
    }
    let is_ambiguous = found.path.as_ref().is_some_and(CanonicalPath::is_ambiguous);
    report.say("access", access(way, winner, is_ambiguous));
}

/// Where it goes, what is injected, and whether a UserSig is handed out.
pub(super) fn tell_target(report: &mut Report, subject: &Subject, found: &Explanation<'_>) {
    let Some(way) = &found.way else {
        return;
    };
    report.say("target", target(subject, way.target));
    if let Target::Upstream { inject, .. } = way.target {
        report.say("inject", injected(found, way, inject, &subject.inject));
    }
    if let Some(rule) = way.answer.as_deref() {
        report.say("answer", answer(rule));
    }
    let user_sig = match &found.prospect {
        Some(prospect) if way.target == Target::UserSigRenewal => {
            format!(
                "a new one would be issued for {} s",
                prospect.lifetime.as_secs()
            )
        }
        Some(prospect) => format!(
            "one would be issued for {} s, or a cached one handed out that has {} s left at least",
            prospect.lifetime.as_secs(),
            prospect.promise.as_secs()
        ),
        None => "none".to_owned(),
    };
    report.say("UserSig", user_sig);
}

/// The methods of a route for people.
pub(super) fn methods(route: &Route) -> String {
    match &route.methods {
        Methods::Any => "any method".to_owned(),
        methods => list(methods.names(), ""),
    }
}

/// The matching route that the walk has chosen, by its label: the default and our own are not among them.
fn winner<'f>(found: &'f Explanation<'_>, way: &Way) -> Option<&'f Route> {
    let routes = found.matching.iter();
    let mut named = routes.filter(|route| route.name == way.route);
    named.next().copied()
}

fn position(found: &Explanation<'_>, winner: &Route) -> Option<usize> {
    let mut routes = found.matching.iter();
    routes.position(|route| std::ptr::eq(*route, winner))
}

fn why(way: &Way, winner: Option<&Route>) -> String {
    match (&*way.route, winner) {
        (_, Some(route)) => match route.host {
            Some(_) => "the most specific that has this host, path and method".to_owned(),
            None => "the most specific that has this path and method".to_owned(),
        },
        (ENDPOINT_ROUTE, None) => "the proxy's own endpoint".to_owned(),
        (REST_ROUTE, None) => "the gateway to Chat's REST API".to_owned(),
        (_, None) => "no route has this path and method".to_owned(),
    }
}

fn access(way: &Way, winner: Option<&Route>, is_ambiguous: bool) -> String {
    let word = way.access.as_str();
    let means = match way.access {
        Access::Public => "everybody; a token is not looked at",
        Access::Optional => "everybody without a token, or with a good one",
        Access::Session => "only with a good session token",
        Access::Webhook => "only Chat, with a webhook that it has signed",
        Access::Deny => "nobody; it does not exist for clients",
    };
    match is_ambiguous && winner.is_some_and(|route| route.access != way.access) {
        true => format!("{word} (the strictest of all routes, since the path has two readings)"),
        false => format!("{word} ({means})"),
    }
}

fn target(subject: &Subject, target: Target) -> String {
    match target {
        Target::Upstream { upstream, .. } | Target::Webhook { upstream } => {
            let found = subject.upstreams.get(upstream);
            format!("upstream {}", found.map_or("?", |upstream| &*upstream.name))
        }
        Target::UserSigEndpoint => "the proxy's own answer, with the UserSig".to_owned(),
        Target::UserSigRenewal => {
            "the proxy's own answer, with a new UserSig in place of the old ones".to_owned()
        }
        Target::UserSigPreflight => "the proxy's own answer to a preflight".to_owned(),
        Target::RestPreflight => "the proxy's own answer to the preflight of a call".to_owned(),
        Target::RestCall => "Chat's REST API".to_owned(),
    }
}

/// Where a login goes beside the body of the answer: the caller's, or that of a session which the answer begins.
fn injected(found: &Explanation<'_>, way: &Way, inject: Inject, names: &InjectNames) -> String {
    let begins = way
        .answer
        .as_ref()
        .is_some_and(|rule| rule.session.is_some());
    let is_known = found.user_id.is_some();
    let of_answer = if begins {
        ", of the session that it begins"
    } else {
        ""
    };
    let InjectNames {
        user_id_header,
        user_sig_header,
        sdk_app_id_header,
        cookie_name,
    } = names;
    let headers = format!("{user_id_header}, {user_sig_header}, {sdk_app_id_header}");
    let places = [
        (
            inject.request_headers && is_known,
            format!("{headers} into the request"),
        ),
        (
            inject.response_headers && (begins || is_known),
            format!("{headers} into the answer{of_answer}"),
        ),
        (
            inject.response_cookie && (begins || is_known),
            format!("the cookie {cookie_name} into the answer{of_answer}"),
        ),
    ];
    let places = places.iter().filter(|(is_on, _)| *is_on);
    let places: Vec<_> = places.map(|(_, place)| &**place).collect();
    let why = match (found.preflight.is_some(), inject.is_none()) {
        (true, true) => "a preflight is nobody's",
        (false, true) => "the route says so",
        (_, false) => "nobody is known",
    };
    match places.is_empty() {
        true => format!("no header, no cookie ({why})"),
        false => places.join("; "),
    }
}

fn answer(rule: &AnswerRule) -> String {
    let mut parts = Vec::new();
    if let Some(session) = &rule.session {
        let statuses = match session.statuses.as_slice() {
            [] => "2xx".to_owned(),
            statuses => list(statuses.iter().map(|status| status.as_str()), ""),
        };
        parts.push(format!(
            "with status {statuses} it may begin a session, whose user is then handed the login"
        ));
    }
    if let Some(pointer) = &rule.json {
        parts.push(format!("the login is written to {pointer} of its JSON"));
    }
    if rule.ends_session {
        parts.push("success ends the session, and Chat drops the user's logins".to_owned());
    }
    parts.join("; ")
}
