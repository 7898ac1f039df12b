//! Whose request it is: the token, its issuer and claims, and how they become a UserID.

use super::Subject;
use super::report::{Report, list, moment};
use crate::authorize::ClaimRules;
use crate::authorize::explain::Explanation;
use crate::identity::{IdentityMap, SubjectType, Transform};
use crate::policy::Access;
use crate::time::UnixTime;
use crate::token::extract::Carrier;
use crate::token::verify::SessionClaims;

/// Everything about the caller, as far as the walk came.
pub(super) fn tell(
    report: &mut Report,
    subject: &Subject,
    found: &Explanation<'_>,
    (presumed, now): (bool, UnixTime),
) {
    let Some(way) = &found.way else {
        return;
    };
    let token = match (found.carrier, way.access) {
        (Some(carrier), _) => format!(
            "{}{}",
            word(carrier),
            if presumed { ", presumed" } else { "" }
        ),
        (None, Access::Public | Access::Webhook | Access::Deny) => "not looked for".to_owned(),
        (None, Access::Optional | Access::Session) => "none".to_owned(),
    };
    report.say("token", token);
    let Some(session) = &found.session else {
        return;
    };
    tell_claims(report, session, now);
    let rules = &subject.authorizer.settings().claim_rules;
    if let Some(rules) = rules.get(session.issuer()) {
        report.say("required claims", required(rules, session));
        report.say("identity", mapping(&rules.identity));
    }
    if let Some(user_id) = &found.user_id {
        report.note_user(user_id.as_str());
        report.say("UserID", user_id.as_str());
    }
}

/// The steps from the claims to the UserID, without the key of a digest.
fn mapping(map: &IdentityMap) -> String {
    let kind = match map.subject_type() {
        SubjectType::Text => "string",
        SubjectType::Integer => "integer",
    };
    let steps = map.transforms().iter().map(|step| match step {
        Transform::RemoveDashes => ", remove_dashes".to_owned(),
        Transform::StripPrefix(prefix) => format!(", strip_prefix {prefix:?}"),
        Transform::Prefix(prefix) => format!(", prefix {prefix:?}"),
        Transform::Digest(_) => ", digest".to_owned(),
    });
    format!(
        "claim {} ({kind}){}",
        map.claim(),
        steps.collect::<String>()
    )
}

fn tell_claims(report: &mut Report, session: &SessionClaims, now: UnixTime) {
    report.say("issuer", session.issuer_name());
    let signature = match session.proof() {
        Some(proof) => format!("{}, verified", proof.algorithm),
        None => "presumed to be good".to_owned(),
    };
    report.say("signature", signature);
    report.say("expires", moment(session.expires_at(), now));
}

fn required(rules: &ClaimRules, session: &SessionClaims) -> String {
    let unmet = rules.unmet(session.claims());
    let claims = rules.require.iter().map(|(claim, _)| claim.to_string());
    let claims: Vec<_> = claims.collect();
    let claims = list(claims.iter().map(String::as_str), "none");
    match unmet {
        Some(claim) => format!("{claims}; {claim} is not as required"),
        None => claims,
    }
}

fn word(carrier: Carrier) -> &'static str {
    match carrier {
        Carrier::Header => "in a header",
        Carrier::Query => "in the query",
        Carrier::Cookie => "in a cookie alone",
    }
}
