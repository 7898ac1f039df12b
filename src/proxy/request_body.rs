//! The body of a request that does not go to an app: asked for where the client waits to be asked, and taken where it is
//! refused.

use std::time::Duration;

use http::Version;
use http::header::EXPECT;
use pingora::Result;
use pingora::proxy::Session;
use tokio::time::timeout;

/// Tells a client that waits for it to go on. The app is not asked for that again: it gets the body at once.
pub(super) async fn invite(session: &mut Session) -> Result<()> {
    if session.req_header_mut().remove_header(&EXPECT).is_some()
        && session.req_header().version == Version::HTTP_11
    {
        // The framework takes this for an answer before the end of the request, after which it would close the connection.
        let kept = session.get_keepalive();
        session.write_continue_response().await?;
        session.set_keepalive(kept);
    }
    Ok(())
}

/// Takes what a refused client still sends, so that it reads the answer: a connection that is closed while something arrives
/// is reset. A stream of HTTP/2 ends by itself, and who waits to be asked for the body sends none.
pub(super) async fn drain(session: &mut Session) {
    if session.is_http2() || session.req_header().headers.contains_key(EXPECT) {
        return;
    }
    let rest = async {
        let mut drained = 0;
        while let Ok(Some(chunk)) = session.read_request_body().await {
            drained += chunk.len();
            if drained > MAX_DRAINED_BYTES {
                return;
            }
        }
    };
    // Whether it is over or not, the connection closes next.
    let _ = timeout(DRAIN, rest).await;
}

const MAX_DRAINED_BYTES: usize = 1 << 20;
const DRAIN: Duration = Duration::from_secs(2);
