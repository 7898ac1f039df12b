//! Claims that are taken for verified although no signature was seen: to say what would become of them, and for nothing else.
//!
//! They have no [`Proof`](super::Proof), without which nobody is given a UserSig.

use super::{SessionClaims, TokenIssuer, Verifier};
use crate::json::Object;
use crate::time::UnixTime;
use crate::token::TokenError;

impl Verifier {
    /// The claims as if a signature of their issuer had verified: all that [`verify`](Self::verify) asks of them is asked.
    pub fn presume(&self, claims: Object, now: UnixTime) -> Result<SessionClaims, TokenError> {
        let issuer = self.find_issuer(&claims)?;
        self.accept(issuer, claims, None, now)
    }

    /// The issuer whose token such claims would have to be.
    pub fn issuer_of(&self, claims: &Object) -> Result<&TokenIssuer, TokenError> {
        self.find_issuer(claims).map(|issuer| &issuer.settings)
    }

    /// The issuers in the order in which they were given.
    pub fn issuers(&self) -> impl Iterator<Item = &TokenIssuer> {
        self.issuers.iter().map(|issuer| &issuer.settings)
    }
}
