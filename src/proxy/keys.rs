//! The second look at a token whose key is not known: newer keys are asked for, and the request is judged once more.
//!
//! The only place of the walk that waits for something else than the client and the app, and only for such a token.

use async_trait::async_trait;
use pingora::proxy::Session;

use super::request::parts;
use super::site::Site;
use crate::authorize::{Permit, Refusal};
use crate::rejection::Rejection;
use crate::time::UnixTime;
use crate::token::TokenError;
use crate::token::verify::WantedKey;

/// Brings keys forward that tokens ask for.
#[async_trait]
pub trait KeyRefresher: Send + Sync {
    /// Whether newer keys of the issuer are in use now, so that a second look may find the key. Waits for seconds at
    /// most, and keeps its own budget.
    async fn refresh(&self, wanted: &WantedKey) -> bool;
}

impl Site {
    /// The decision about a request, with the newest keys that its token can ask for.
    pub(super) async fn decide(
        &self,
        session: &mut Session,
        now: UnixTime,
    ) -> Result<Permit, Refusal> {
        let decision = self.judge(session, now);
        match &decision {
            Err(refusal) if self.found_newer_keys(session, refusal).await => {
                self.authorize(session, now)
            }
            _ => decision,
        }
    }

    async fn found_newer_keys(&self, session: &mut Session, refusal: &Refusal) -> bool {
        let Rejection::Token(TokenError::KeyUnknown | TokenError::KeysUnavailable) =
            refusal.rejection
        else {
            return false;
        };
        let wanted = match parts(session) {
            Ok(parts) => self.settings.authorizer.wanted_key(&parts),
            Err(_) => None,
        };
        match wanted {
            Some(wanted) => self.settings.keys.refresh(&wanted).await,
            None => false,
        }
    }
}
