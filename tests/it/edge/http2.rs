//! HTTP/2 with prior knowledge in front of an app that speaks HTTP/1.

use std::future::Future;

use bytes::Bytes;
use h2::client::SendRequest;
use http::Request;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use super::{assert_identity, assert_no_identity};
use crate::support::tokens::session;
use crate::support::{App, Proxy, config};

/// Pingora issue 935: a second chunk terminator would be the start of the next request on the connection.
#[test]
fn an_upload_ended_by_an_empty_frame_has_one_terminator() {
    let app = App::start();
    // One thread: with several the framework sometimes makes a new connection while it has one, because whoever waits for
    // that one is woken a moment before it is let go.
    let routes = super::typical_routes("[runtime]\nthreads = 1\n");
    let proxy = Proxy::start(&config(app.address, &routes));
    let uploads = [
        &["hello", ""][..],
        &["he", "llo", ""],
        &[""],
        &["hello"],
        &["", "hello", "", ""],
        &["last"],
    ];
    talk(&proxy, async |mut client| {
        for (number, frames) in uploads.into_iter().enumerate() {
            let path = format!("/public/{number}");
            let answer = exchange(&mut client, post(&path), frames).await;
            assert_eq!((answer.status, answer.text.as_str()), (200, "hello"));
            // Written after the connection to the app went back to the pool.
            proxy.log_line(|line| line["path"] == path.as_str());
        }
    });
    let seen = app.seen();
    assert_eq!(seen.len(), uploads.len());
    for (request, frames) in seen.iter().zip(uploads) {
        assert_eq!(request.body, frames.concat().as_bytes());
        assert_eq!(request.connection, seen[0].connection);
        let terminators = request
            .raw
            .windows(5)
            .filter(|bytes| *bytes == b"0\r\n\r\n");
        assert_eq!(terminators.count(), 1, "{request:?}");
    }
}

#[test]
fn a_user_is_identified_as_over_http1() {
    let app = App::start();
    let proxy = quick(&app);
    let token = session("alice");
    talk(&proxy, async |mut client| {
        let forged = |path: &str| {
            get(path)
                .header("authorization", format!("Bearer {token}"))
                .header("x-chat-userid", "root")
                .header("x_chat_usersig", "forged")
                .header("x-forwarded-for", "192.0.2.1")
        };
        assert_eq!(
            exchange(&mut client, forged("/inject/request"), &[])
                .await
                .status,
            200
        );
        assert_eq!(
            exchange(&mut client, forged("/public/"), &[]).await.status,
            200
        );
        let answer = exchange(&mut client, forged("/inject/response"), &[]).await;
        assert_eq!(answer.headers["x-chat-userid"], "alice");
        assert_eq!(answer.headers["cache-control"], "no-store");
        let answer = exchange(&mut client, forged("/_chat/usersig"), &[]).await;
        let body: serde_json::Value = serde_json::from_str(&answer.text).unwrap();
        assert_eq!(body["userId"], "alice");
        let head = exchange(&mut client, forged("/_chat/usersig").method("HEAD"), &[]).await;
        assert_eq!((head.status, head.text.as_str()), (200, ""));
    });
    let request = app.next();
    assert_identity(&request, "alice");
    assert_eq!(request.header("host"), Some("localhost"));
    assert_eq!(request.header("x-forwarded-for"), Some("127.0.0.1"));
    assert_no_identity(&app.next());
}

#[test]
fn a_refusal_ends_its_stream_alone() {
    let app = App::start();
    let proxy = quick(&app);
    talk(&proxy, async |mut client| {
        for (path, status, code) in [
            ("/session/", 401, "token_missing"),
            ("/deny/", 404, "route_not_found"),
            ("/public//", 400, "path_ambiguous"),
            ("/public/%2e%2e/deny/", 400, "path_ambiguous"),
        ] {
            let answer = exchange(&mut client, get(path), &[]).await;
            let body: serde_json::Value = serde_json::from_str(&answer.text).unwrap();
            assert_eq!(
                (answer.status, body["code"].as_str()),
                (status, Some(code)),
                "{path}"
            );
            assert_eq!(
                body["requestId"],
                answer.headers["x-request-id"].to_str().unwrap()
            );
            // What belongs to connections of HTTP/1 is malformed here (RFC 9113 section 8.2.2).
            assert!(!answer.headers.contains_key("connection"), "{path}");
        }
        let large = exchange(&mut client, post("/public/"), &[&"x".repeat(2000)]).await;
        assert_eq!(large.status, 413);
        assert_eq!(
            exchange(&mut client, get("/public/"), &[]).await.status,
            200
        );
    });
    assert_eq!(app.seen().len(), 1);
}

#[test]
fn u4_an_authority_and_a_host_that_differ_are_refused() {
    let app = App::start();
    let proxy = quick(&app);
    for (authority, host, accepted) in [
        ("localhost", Some("localhost"), true),
        ("localhost", None, true),
        ("a.example", Some("a.example"), true),
        ("a.example", Some("b.example"), false),
        ("a.example", Some("a.example:80"), false),
        ("a.example:x", None, false),
    ] {
        talk(&proxy, async |mut client| {
            let mut request = Request::get(format!("http://{authority}/public/"));
            if let Some(host) = host {
                request = request.header("host", host);
            }
            let Ok(request) = request.body(()) else {
                assert!(!accepted);
                return;
            };
            let answer = try_exchange(&mut client, request, &[]).await;
            let status = answer.ok().map(|answer| answer.status);
            match accepted {
                true => assert_eq!(status, Some(200), "{authority} {host:?}"),
                // The framework resets the stream, or it is our 400.
                false => assert!(
                    matches!(status, None | Some(400)),
                    "{authority} {host:?}: {status:?}"
                ),
            }
        });
        if accepted {
            assert_eq!(app.next().header("host"), Some(authority));
        }
    }
    assert!(app.seen().is_empty());
}

#[test]
fn h11_cookie_fields_are_one_header() {
    let app = App::start();
    let proxy = quick(&app);
    let (alice, bob) = (session("alice"), session("bob"));
    talk(&proxy, async |mut client| {
        let crumbs = get("/inject/request")
            .header("cookie", "a=b")
            .header("cookie", format!("session={alice}"))
            .header("cookie", "c=d");
        assert_eq!(exchange(&mut client, crumbs, &[]).await.status, 200);
        for (first, second) in [(&alice, &bob), (&bob, &alice)] {
            let two = get("/inject/request")
                .header("cookie", format!("session={first}"))
                .header("cookie", format!("session={second}"));
            assert_eq!(exchange(&mut client, two, &[]).await.status, 400);
        }
    });
    assert_identity(&app.next(), "alice");
    assert!(app.seen().is_empty());
}

#[test]
fn streams_of_one_connection_keep_their_users_apart() {
    let app = App::start();
    let proxy = quick(&app);
    talk(&proxy, async |client| {
        let users = (0..20).map(|number| format!("user{number}"));
        let all = users.map(|user| {
            let mut client = client.clone();
            async move {
                let request = get("/inject/response")
                    .header("authorization", format!("Bearer {}", session(&user)));
                let answer = exchange(&mut client, request, &[]).await;
                assert_eq!(answer.headers["x-chat-userid"], user.as_str());
            }
        });
        for task in all.map(tokio::task::spawn_local).collect::<Vec<_>>() {
            task.await.unwrap();
        }
    });
}

pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: http::HeaderMap,
    pub(crate) text: String,
}

/// Small limits, so that a connection that is out of step shows soon.
fn quick(app: &App) -> Proxy {
    let routes = super::typical_routes("[runtime]\nmax_body = \"1KiB\"\n");
    let config = config(app.address, &routes);
    Proxy::start(&config.replace("[chat]", "read_timeout = \"5s\"\n[chat]"))
}

fn get(path: &str) -> http::request::Builder {
    Request::get(format!("http://localhost{path}"))
}

pub(crate) fn post(path: &str) -> http::request::Builder {
    Request::post(format!("http://localhost{path}"))
}

/// Runs a conversation on one connection.
pub(crate) fn talk<F: Future<Output = ()>>(
    proxy: &Proxy,
    conversation: impl FnOnce(SendRequest<Bytes>) -> F,
) {
    let address = proxy.address;
    talk_over(
        async move { TcpStream::connect(address).await.unwrap() },
        conversation,
    );
}

/// The same on the connection that `connect` makes.
pub(crate) fn talk_over<S, F: Future<Output = ()>>(
    connect: impl Future<Output = S>,
    conversation: impl FnOnce(SendRequest<Bytes>) -> F,
) where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
{
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_all().build().unwrap();
    tokio::task::LocalSet::new().block_on(&runtime, async {
        let stream = connect.await;
        let (client, connection) = h2::client::handshake(stream).await.unwrap();
        tokio::task::spawn_local(connection);
        conversation(client).await;
    });
}

pub(crate) async fn exchange(
    client: &mut SendRequest<Bytes>,
    request: http::request::Builder,
    frames: &[&str],
) -> Answer {
    try_exchange(client, request.body(()).unwrap(), frames)
        .await
        .unwrap()
}

/// Sends each frame as it is; the last one ends the stream.
pub(crate) async fn try_exchange(
    client: &mut SendRequest<Bytes>,
    request: Request<()>,
    frames: &[&str],
) -> Result<Answer, h2::Error> {
    *client = client.clone().ready().await?;
    let (response, mut body) = client.send_request(request, frames.is_empty())?;
    for (index, frame) in frames.iter().enumerate() {
        let is_last = index + 1 == frames.len();
        body.send_data(Bytes::copy_from_slice(frame.as_bytes()), is_last)?;
        // Lets the frame go out on its own.
        tokio::task::yield_now().await;
    }
    let (head, mut body) = response.await?.into_parts();
    let mut bytes = Vec::new();
    while let Some(chunk) = body.data().await {
        bytes.extend(chunk?);
    }
    Ok(Answer {
        status: head.status.as_u16(),
        headers: head.headers,
        text: String::from_utf8(bytes).unwrap(),
    })
}
