//! Why a request would be refused: the stage, what came nearest, and what was needed.

use super::Subject;
use super::report::{Report, list};
use super::way::methods;
use crate::authorize::explain::Explanation;
use crate::config::Config;
use crate::identity::{IdentityError, UserIdError};
use crate::policy::{Difference, NearMiss, PathError};
use crate::rejection::Rejection;
use crate::rest_api::refusal::Refusal;
use crate::token::TokenError;

/// A refusal for which no site was asked.
pub(super) fn tell_before_walk(report: &mut Report, config: &Config, rejection: &Rejection) {
    if *rejection == Rejection::HostUnknown {
        let hosts = config.sites.iter().flat_map(|site| &site.hosts);
        let hosts = list(hosts.map(|host| host.as_str()), "none");
        report.say("needed", format!("a host that a site has: {hosts}"));
    } else {
        say_needed(report, rejection);
    }
    let stage = match rejection {
        Rejection::HostUnknown | Rejection::HostInvalid(_) => "find the site",
        _ => "limits of the request",
    };
    report.refuse(rejection, stage);
}

/// A refusal of the walk or of the gateway behind it.
pub(super) fn tell(
    report: &mut Report,
    subject: &Subject,
    rejection: &Rejection,
    found: Option<&Explanation<'_>>,
) {
    match (rejection, found) {
        (Rejection::RouteNotFound, Some(found)) => tell_no_route(report, subject, found),
        (Rejection::RestApi(Refusal::NoCommand), _) => {
            let prefix = subject
                .rest_api
                .as_ref()
                .map(|settings| settings.prefix.as_str());
            let prefix = prefix.unwrap_or_default();
            report.say(
                "needed",
                format!("a path {prefix}/SERVICE/COMMAND, no slash after it"),
            );
        }
        (Rejection::MethodNotAllowed { allow }, Some(found)) => {
            for route in &found.matching {
                report.say("nearest", format!("{} ({})", route.name, methods(route)));
            }
            let needed = match allow.is_empty() {
                true => "another method: an answer to TRACE would show what is injected".to_owned(),
                false => format!("the method {}", allow.replace(", ", " or ")),
            };
            report.say("needed", needed);
        }
        (rejection, _) => say_needed(report, rejection),
    }
    report.refuse(rejection, stage(rejection, found));
}

/// Nothing is there: what lies next to it.
fn tell_no_route(report: &mut Report, subject: &Subject, found: &Explanation<'_>) {
    if let Some(way) = &found.way {
        if let Some(near) = &found.nearest {
            report.say("nearest", nearest(near));
        }
        let needed = match found.matching.is_empty() {
            true => "a route for this path, or a routes.default_access that lets it pass",
            false => "an access that lets it pass",
        };
        report.say("needed", format!("{needed}; {} denies", way.route));
        return;
    }
    if !found.is_ours {
        return;
    }
    let settings = subject.authorizer.settings();
    let endpoint = settings.endpoint.as_ref().map(|path| {
        let segments: Vec<_> = path.segments().collect();
        format!("the endpoint /{}", segments.join("/"))
    });
    let gateway = settings.rest_api.as_ref();
    let gateway = gateway.map(|routes| format!("the gateway {}/", routes.prefix.as_str()));
    let ours: Vec<_> = endpoint.into_iter().chain(gateway).collect();
    let ours = list(ours.iter().map(String::as_str), "nothing, both are off");
    report.say(
        "nearest",
        format!("the path is the proxy's own, and there is {ours}"),
    );
}

fn nearest(near: &NearMiss<'_>) -> String {
    let name = &near.route.name;
    match &near.difference {
        Difference::Host(host) => format!("{name}, which needs the host {host}"),
        Difference::TrailingSlash => format!(
            "{name}, which differs by the slash at the end; routes.ignore_trailing_slash takes both"
        ),
        Difference::Case => {
            format!("{name}, which differs in upper and lower case; routes.ignore_case takes both")
        }
        Difference::Segment(number) => format!("{name}, which differs from segment {number} on"),
    }
}

fn stage(rejection: &Rejection, found: Option<&Explanation<'_>>) -> &'static str {
    let has_way = found.is_some_and(|found| found.way.is_some());
    match rejection {
        Rejection::HostInvalid(_) => "2 route and method",
        Rejection::PathAmbiguous(_) => "1 canonical path",
        Rejection::RouteNotFound | Rejection::MethodNotAllowed { .. } => "2 route and method",
        Rejection::TokenMissing | Rejection::TokenConflict | Rejection::CrossSite => {
            "3 extract token"
        }
        Rejection::Token(_) if found.is_some_and(|found| found.user_id.is_some()) => {
            "7 get or issue UserSig"
        }
        Rejection::Token(_) => "4 verify token",
        Rejection::Webhook(_) if found.is_some_and(|found| found.announced.is_some()) => {
            "the webhook's body, after its query in place of 3 to 7"
        }
        Rejection::Webhook(_) => "the webhook's query, in place of 3 to 7",
        Rejection::AccessDenied if !has_way => "2 route and method",
        Rejection::AccessDenied => "5 admit its claims",
        Rejection::UserNotMapped(_) => "6 map subject",
        Rejection::SessionDenied(_) => "6 map subject, and whether the session has ended",
        Rejection::RenewedTooSoon { .. } | Rejection::UserSigTooEarly { .. } => {
            "7 get or issue UserSig"
        }
        Rejection::RestApi(refusal) => stage_of_call(refusal),
        Rejection::HostUnknown
        | Rejection::RequestInvalid
        | Rejection::UriTooLong
        | Rejection::HeaderTooLarge
        | Rejection::BodyTooLarge
        | Rejection::UpstreamUnreachable
        | Rejection::UpstreamTimeout
        | Rejection::UpstreamInvalid
        | Rejection::Overloaded
        | Rejection::Internal => "limits of the request",
    }
}

fn stage_of_call(refusal: &Refusal) -> &'static str {
    match refusal {
        Refusal::NoCommand => "2 route and method",
        Refusal::UnknownCommand | Refusal::NotAllowed => "REST call: policy",
        Refusal::Body(_) => "REST call: body",
        Refusal::NotAdmitted(_) => "REST call: body, as the rules allow it",
        Refusal::GroupRole(_) | Refusal::RoleUnknown(_) => "REST call: role in the group",
        Refusal::AuditUnavailable => "REST call: audit",
        Refusal::Budget(_) => "REST call: budget",
        Refusal::BreakerOpen { .. }
        | Refusal::Unreachable
        | Refusal::Timeout
        | Refusal::Answer(_) => "REST call: Chat",
    }
}

fn say_needed(report: &mut Report, rejection: &Rejection) {
    if let Some(text) = needed(rejection) {
        report.say("needed", text);
    }
}

/// What would have been needed, where it is not told with what came nearest.
fn needed(rejection: &Rejection) -> Option<String> {
    let text = match rejection {
        Rejection::PathAmbiguous(error) => return Some(clear_path(*error)),
        Rejection::Token(error) => return Some(good_token(*error)),
        Rejection::UserNotMapped(error) => return Some(mapped(*error)),
        Rejection::HostInvalid(_) => "one Host that is a name or an address",
        Rejection::RequestInvalid => "headers that HTTP allows",
        Rejection::UriTooLong => "a URL of at most runtime.max_uri_bytes",
        Rejection::HeaderTooLarge => "a header of at most runtime.max_header_bytes",
        Rejection::BodyTooLarge => "a body of at most runtime.max_body",
        Rejection::TokenMissing => "a session token: --claims presumes one, --token verifies one",
        Rejection::TokenConflict => "one session token, not two different ones",
        Rejection::AccessDenied => "claims as session.issuer.require has them",
        Rejection::CrossSite => {
            "a same-origin request (Sec-Fetch-Site, or an Origin that is the host), a REST call \
             with application/json as well, a renewal from one of cors.origins instead; or the token in a header"
        }
        Rejection::SessionDenied(denied) => {
            return Some(format!("a session that has not ended: {denied}"));
        }
        Rejection::RestApi(Refusal::Body(error)) => {
            return Some(format!("one strict JSON object of at most 64 KiB: {error}"));
        }
        Rejection::Webhook(error) => {
            return Some(format!(
                "a webhook that Chat has signed for this app: {error}"
            ));
        }
        Rejection::HostUnknown
        | Rejection::RouteNotFound
        | Rejection::MethodNotAllowed { .. }
        | Rejection::RestApi(_)
        | Rejection::RenewedTooSoon { .. }
        | Rejection::UserSigTooEarly { .. }
        | Rejection::UpstreamUnreachable
        | Rejection::UpstreamTimeout
        | Rejection::UpstreamInvalid
        | Rejection::Overloaded
        | Rejection::Internal => return None,
    };
    Some(text.to_owned())
}

fn clear_path(error: PathError) -> String {
    let allow = match error {
        PathError::EncodedSlash => {
            "; routes.allow = [\"encoded_slash\"] lets it pass, with the strictest access"
        }
        PathError::Semicolon => {
            "; routes.allow = [\"semicolon\"] lets it pass, with the strictest access"
        }
        PathError::DoubleSlash => {
            "; routes.allow = [\"double_slash\"] lets it pass, with the strictest access"
        }
        PathError::Fragment => "; a client sends no fragment",
        _ => "",
    };
    format!("a path without this: {error}{allow}")
}

fn good_token(error: TokenError) -> String {
    match error {
        TokenError::KeysUnavailable => {
            "keys of its issuer, which publishes them; nothing is fetched here, so give its --claims".to_owned()
        }
        TokenError::LifetimeTooLong => {
            format!("a good session token: {error}; see session.max_lifetime")
        }
        error => format!("a good session token: {error}"),
    }
}

fn mapped(error: IdentityError) -> String {
    let claim = match error {
        IdentityError::ClaimMissing | IdentityError::ClaimType => {
            "identity.claim and identity.type"
        }
        IdentityError::TransformDoesNotFit => "identity.transform",
        IdentityError::UserId(UserIdError::Reserved) => "identity.reserved",
        IdentityError::UserId(_) => "identity.transform",
    };
    format!("a subject that has a UserID: {error}; see {claim}")
}
