//! A webhook whose query is good: whether its body is the one that was announced.

use super::Subject;
use super::report::Report;
use crate::time::UnixTime;
use crate::webhook::{Announced, WebhookError};

/// Tells of the body; the error is what it would be refused with. Nothing is remembered: the delivery ends here, and no proxy
/// is served by the memory that it held a place in.
pub(super) fn tell(
    report: &mut Report,
    subject: &Subject,
    (announced, now): (&Announced, UnixTime),
    body: Option<&[u8]>,
) -> Result<(), WebhookError> {
    let (Some(webhooks), Some(body)) = (subject.authorizer.webhooks(), body) else {
        report.say(
            "body",
            "none is given, so it is not judged: --body gives one",
        );
        return Ok(());
    };
    webhooks.receive(announced, body, now).map(drop)?;
    let length = body.len();
    report.say(
        "body",
        format!(
            "{length} bytes, that of the announced webhook; whether it was delivered before is not known here"
        ),
    );
    Ok(())
}
