//! A Chat that is not one: it cuts, is slow, redirects, and repeats what it was asked in every spelling.

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::{Arc, Mutex};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use serde_json::json;

use super::user_sig;
use crate::rest_api::code;
use crate::support::{App, Recorded};

/// What it does with one call; `false` closes the connection.
pub(super) type Deed = Box<dyn Fn(&Recorded, &mut TcpStream) -> bool + Send>;

/// It does what it is told, one after the other, and then answers with success.
pub(super) struct Hostile {
    pub(super) app: App,
    deeds: Arc<Mutex<VecDeque<Deed>>>,
}

impl Hostile {
    pub(super) fn start() -> Self {
        let deeds: Arc<Mutex<VecDeque<Deed>>> = Arc::default();
        let queue = deeds.clone();
        let app = App::with(move |request, stream| {
            let next = queue.lock().unwrap().pop_front();
            next.unwrap_or_else(|| answer(code(0)))(request, stream)
        });
        Self { app, deeds }
    }

    pub(super) fn will(&self, deed: Deed) {
        self.deeds.lock().unwrap().push_back(deed);
    }
}

/// What of the call it repeats.
#[derive(Clone, Copy)]
pub(super) enum Part {
    Url,
    UserSig,
}

impl Part {
    fn of(self, request: &Recorded) -> String {
        match self {
            Self::Url => format!("http://chat.example{}", request.target),
            Self::UserSig => user_sig(request),
        }
    }
}

/// How it spells that.
pub(super) type Spell = fn(&str) -> String;

/// Each may stand within a text of JSON.
pub(super) const SPELLINGS: [(&str, Spell); 13] = [
    ("plain", |text| text.to_owned()),
    ("cut", |text| text[text.len() / 2..].to_owned()),
    ("percent codes", percent),
    ("percent codes in lower case", |text| {
        percent(text).to_lowercase()
    }),
    ("double percent codes", |text| percent(&percent(text))),
    ("what must be encoded", |text| {
        text.replace('*', "%2A").replace('_', "%5F")
    }),
    ("escapes", escaped),
    ("some escapes", |text| {
        text.replace('A', "\\u0041").replace('y', "\\u0079")
    }),
    ("escaped percent codes", |text| escaped(&percent(text))),
    ("base64", |text| STANDARD.encode(text)),
    ("base64, a letter later", |text| {
        STANDARD.encode(format!("x{text}"))
    }),
    ("base64, two letters later", |text| {
        STANDARD.encode(format!("xy{text}"))
    }),
    ("base64 for URLs", |text| URL_SAFE.encode(text)),
];

fn percent(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

fn escaped(text: &str) -> String {
    text.bytes().map(|byte| format!("\\u{byte:04x}")).collect()
}

fn response(status: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head = format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {length}\r\n\r\n");
    [head.as_bytes(), body].concat()
}

/// Success, or a refusal of the API.
pub(super) fn answer(body: String) -> Deed {
    Box::new(move |_, stream| {
        let answer = response("200 OK", "", body.as_bytes());
        stream.write_all(&answer).is_ok()
    })
}

/// A refusal of the API that repeats the call.
pub(super) fn body_that_echoes(part: Part, spell: Spell) -> Deed {
    Box::new(move |request, stream| {
        let told = spell(&part.of(request));
        let body = format!(
            "{{\"ActionStatus\":\"FAIL\",\"ErrorCode\":60002,\"ErrorInfo\":\"at {told} .\"}}"
        );
        stream
            .write_all(&response("200 OK", "", body.as_bytes()))
            .is_ok()
    })
}

/// The error page of something in between.
pub(super) fn page_that_echoes(part: Part, spell: Spell) -> Deed {
    Box::new(move |request, stream| {
        let told = spell(&part.of(request));
        let page = format!("<html><a href=\"{told}\">{told}</a></html>");
        let headers = "Content-Type: text/html\r\n";
        stream
            .write_all(&response("502 Bad Gateway", headers, page.as_bytes()))
            .is_ok()
    })
}

/// A redirect to itself with the call in it.
pub(super) fn redirect_that_echoes(part: Part, spell: Spell) -> Deed {
    Box::new(move |request, stream| {
        let told = spell(&part.of(request));
        let host = request.header("host").unwrap_or_default().to_owned();
        let headers = format!("Location: http://{host}/again?{told}\r\nRefresh: 0; url={told}\r\n");
        stream
            .write_all(&response(
                "307 Temporary Redirect",
                &headers,
                told.as_bytes(),
            ))
            .is_ok()
    })
}

/// Success, with the call in a reason phrase and in headers.
pub(super) fn header_that_echoes(part: Part, spell: Spell) -> Deed {
    Box::new(move |request, stream| {
        let told = spell(&part.of(request));
        let headers = format!(
            "X-Request-URL: {told}\r\nX-Request-ID: {told}\r\nSet-Cookie: a={told}\r\nServer: {told}\r\n"
        );
        let answer = response(&format!("200 {told}"), &headers, code(0).as_bytes());
        stream.write_all(&answer).is_ok()
    })
}

/// Ways to fail, and what the client then gets.
pub(super) fn failures() -> Vec<(&'static str, Deed, u16)> {
    let url = |request: &Recorded| Part::Url.of(request);
    vec![
        ("cut before the answer", Box::new(|_, _| false), 504),
        (
            "cut within the answer",
            Box::new(move |request, stream| {
                let body = json!({ "ErrorCode": 0, "ErrorInfo": url(request) }).to_string();
                let answer = response("200 OK", "", body.as_bytes());
                let _ = stream.write_all(&answer[..answer.len() - 2]);
                false
            }),
            504,
        ),
        (
            "no HTTP",
            Box::new(move |request, stream| {
                let _ = stream.write_all(format!("{}\r\n\r\n", url(request)).as_bytes());
                false
            }),
            504,
        ),
        (
            "a header that is no header",
            Box::new(move |request, stream| {
                let _ = stream
                    .write_all(format!("HTTP/1.1 200 OK\r\n{}\r\n\r\n", request.target).as_bytes());
                false
            }),
            504,
        ),
        (
            "no UTF-8",
            Box::new(move |request, stream| {
                let body = [
                    b"{\"ErrorCode\":0,\"x\":\"\xff".to_vec(),
                    url(request).into_bytes(),
                    b"\"}".to_vec(),
                ];
                stream
                    .write_all(&response("200 OK", "", &body.concat()))
                    .is_ok()
            }),
            502,
        ),
        (
            "too long",
            Box::new(move |request, stream| {
                let body = format!(
                    "{{\"ErrorCode\":0,\"x\":\"{}\"}}",
                    url(request).repeat(10_000)
                );
                let _ = stream.write_all(&response("200 OK", "", body.as_bytes()));
                false
            }),
            502,
        ),
        (
            "slow",
            // Until the other side gives up.
            Box::new(|_, stream| {
                let _ = stream.read(&mut [0]);
                false
            }),
            504,
        ),
        (
            "two codes",
            Box::new(move |request, stream| {
                let body = format!("{{\"ErrorCode\":0,\"ErrorCode\":{}}}", json!(url(request)));
                stream
                    .write_all(&response("200 OK", "", body.as_bytes()))
                    .is_ok()
            }),
            502,
        ),
    ]
}
