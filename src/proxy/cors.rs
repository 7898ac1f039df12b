//! Cross-origin rules for what the proxy itself answers. The app's own answers carry the app's own rules.

use super::UserSigProxy;
use super::context::RequestContext;
use crate::policy::AllowedOrigins;

impl UserSigProxy {
    /// The origins that may read our own answer to a request.
    pub(super) fn origins<'a>(&'a self, ctx: &'a RequestContext) -> &'a AllowedOrigins {
        let site = ctx.site.as_ref();
        site.map_or(&self.no_origins, |site| site.settings.authorizer.origins())
    }
}
