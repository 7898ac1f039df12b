//! What becomes of a request: what is decided about it, and what of it is answered here.

use pingora::Result;
use pingora::proxy::Session;

use super::context::{Decision, RequestContext};
use super::crowd::Crowd;
use super::{UserSigProxy, internal, limits, request, request_body, respond};
use crate::authorize::{Permit, Refusal, Target};
use crate::rejection::Rejection;

impl UserSigProxy {
    /// Finds the request's site, which then decides about it.
    pub(super) async fn decide(
        &self,
        session: &mut Session,
        ctx: &mut RequestContext,
    ) -> Result<Permit, Refusal> {
        let (bounds, site) = {
            let sites = self.sites.load();
            let host = request::host(session.req_header());
            let site = host.and_then(|host| sites.find(host).cloned());
            (*sites.bounds(), site)
        };
        bounds.limit_waiting(session);
        ctx.site = site.as_ref().ok().cloned();
        let place = self.metrics.in_flight().enter();
        let crowd = Crowd::of(place.taken(), bounds.max_requests);
        ctx.place = Some(place);
        if crowd == Crowd::TooMany {
            return Err(Rejection::Overloaded.into());
        }
        limits::check(session, &bounds.limits)?;
        let permit = site?.decide_after_kick(session, ctx.now).await?;
        crowd.admit(permit)
    }

    /// Answers what is ours to answer; `false` means that the request goes to the app.
    pub(super) async fn answer(
        &self,
        session: &mut Session,
        ctx: &mut RequestContext,
    ) -> Result<bool> {
        let origins = self.origins(ctx);
        match &ctx.decision {
            Decision::Pending => Ok(false),
            Decision::Rejected(Refusal { rejection, .. }) => {
                respond::with_rejection(session, origins, ctx.refused(), rejection).await?;
                if *rejection != Rejection::Overloaded {
                    request_body::drain(session).await;
                }
                Ok(true)
            }
            Decision::Permitted(permit) => match permit.target {
                Target::Upstream { .. } => Ok(false),
                Target::Webhook { .. } => self.receive_webhook(session, ctx).await,
                Target::UserSigPreflight => {
                    let tokens = ctx.site()?.settings.authorizer.token_headers();
                    respond::with_preflight(session, origins, "GET, HEAD, POST", tokens).await?;
                    Ok(true)
                }
                Target::RestPreflight => {
                    let tokens = ctx.site()?.settings.authorizer.token_headers();
                    respond::with_preflight(session, origins, "POST", tokens).await?;
                    Ok(true)
                }
                Target::RestCall => {
                    self.answer_rest_call(session, ctx).await?;
                    Ok(true)
                }
                Target::UserSigEndpoint | Target::UserSigRenewal => {
                    let user = ctx.user().ok_or_else(internal)?;
                    let login = user.login.as_ref().ok_or_else(internal)?;
                    if permit.target == Target::UserSigRenewal {
                        ctx.site()?.settings.logouts.keep_renewal().await;
                    }
                    respond::with_login(session, origins, user, login).await?;
                    Ok(true)
                }
            },
        }
    }
}
