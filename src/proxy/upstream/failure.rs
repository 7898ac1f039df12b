//! What a failed upstream is to the client, and to the one who reads the log.

use pingora::{Error, ErrorSource, ErrorType};

use crate::rejection::Rejection;

/// What a failed request is to the client; `None` when the client itself has gone.
pub(in crate::proxy) fn rejection_for(error: &Error) -> Option<Rejection> {
    match (error.esource(), error.etype()) {
        (_, ErrorType::HTTPStatus(413)) => Some(Rejection::BodyTooLarge),
        (ErrorSource::Upstream, etype) => Some(upstream_rejection(etype)),
        (
            ErrorSource::Downstream,
            ErrorType::ReadError
            | ErrorType::WriteError
            | ErrorType::ReadTimedout
            | ErrorType::WriteTimedout
            | ErrorType::ConnectionClosed,
        ) => None,
        (ErrorSource::Downstream, _) => Some(Rejection::RequestInvalid),
        (ErrorSource::Internal | ErrorSource::Unset, _) => Some(Rejection::Internal),
    }
}

fn upstream_rejection(etype: &ErrorType) -> Rejection {
    match etype {
        ErrorType::ConnectTimedout | ErrorType::ReadTimedout | ErrorType::WriteTimedout => {
            Rejection::UpstreamTimeout
        }
        ErrorType::ConnectRefused
        | ErrorType::ConnectNoRoute
        | ErrorType::ConnectError
        | ErrorType::SocketError
        | ErrorType::BindError => Rejection::UpstreamUnreachable,
        _ => Rejection::UpstreamInvalid,
    }
}

/// Whether a refusal is the app's failure.
pub(in crate::proxy) fn is_failure(rejection: &Rejection) -> bool {
    matches!(
        rejection,
        Rejection::UpstreamUnreachable | Rejection::UpstreamTimeout | Rejection::UpstreamInvalid
    )
}

/// Makes of whatever went wrong before a connection stood one of two things: it took too long, or it failed. The
/// framework tells an untrusted certificate, a denied socket and a torn handshake apart; to a client they are the same.
pub(super) fn as_connect_error(mut error: Box<Error>) -> Box<Error> {
    error.etype = match error.etype {
        ErrorType::ConnectTimedout | ErrorType::TLSHandshakeTimedout | ErrorType::ReadTimedout => {
            ErrorType::ConnectTimedout
        }
        _ => ErrorType::ConnectError,
    };
    error.into_up()
}

/// Why a connection failed, in one line. Nothing of a request was sent yet, so nothing of one can be in it.
pub(super) fn connect_reason(error: &Error) -> String {
    let context = error
        .context
        .as_ref()
        .map_or("", |context| context.as_str());
    let kind = error.etype().as_str();
    let cause = match error.root_cause().downcast_ref::<Error>() {
        Some(_) => String::new(),
        None => format!(" ({})", error.root_cause()),
    };
    let line = match context {
        "" => format!("{kind}{cause}"),
        context => format!("{kind}: {context}{cause}"),
    };
    line.chars()
        .take(MAX_REASON)
        .map(|letter| if letter.is_control() { ' ' } else { letter })
        .collect()
}

const MAX_REASON: usize = 300;
