//! The PROXY protocol on listeners that ask for it: a balancer says in front of everything else whose connection it is.
//!
//! Only a trusted proxy may say so; any other peer of such a listener is closed on, and so is a trusted one that sends
//! anything else than a well-formed header. What it says becomes the connection's peer address, which everything after
//! it reads: trust in `X-Forwarded-For`, the log, the app's headers.

mod header;

use std::io;
use std::net::SocketAddr as InetAddr;
use std::time::Duration;

use pingora::protocols::l4::socket::SocketAddr;
use pingora::protocols::l4::stream::Stream;
use pingora::protocols::{GetSocketDigest, SocketDigest, UniqueID};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::time::timeout;

use self::header::{Malformed, Progress, Source, parse};
use crate::config::{Listen, ListenAddress};
use crate::policy::{Peer, TrustedProxies};
use crate::proxy::peer_of;

/// Which listeners expect a header, and from whom it is taken.
pub(super) struct ProxyProtocol {
    /// The listeners that expect none. Whatever is not one of them does, so that an address that nothing explains is
    /// not taken without.
    without: Vec<ListenAddress>,
    trusted: TrustedProxies,
}

/// Why a connection is closed before anything was read of it but its header.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refusal {
    /// Its peer is nobody who may say whose connection it is.
    #[error("not from a trusted proxy")]
    Untrusted,
    /// It does not start with a header.
    #[error("{0}")]
    Malformed(#[from] Malformed),
    /// It ended or failed within the header.
    #[error("the PROXY header breaks off")]
    Cut(#[from] io::Error),
    /// The header takes too long.
    #[error("the PROXY header takes too long")]
    TooSlow,
}

impl ProxyProtocol {
    /// `None` where no listener asks for it.
    pub(super) fn new(listen: &Listen) -> Option<Self> {
        let (with, without): (Vec<_>, Vec<_>) = listen
            .listeners
            .iter()
            .partition(|listener| listener.proxy_protocol);
        let address = |listener: &&crate::config::Listener| listener.address.clone();
        (!with.is_empty()).then(|| Self {
            without: without.iter().map(address).collect(),
            trusted: listen.trusted_proxies.clone(),
        })
    }

    /// Takes the header of a new connection where one is expected, and makes what it says the peer's address. What is
    /// refused is logged; the caller closes.
    pub(super) async fn admit(&self, stream: &mut Stream) -> Result<(), Refusal> {
        let taken = self.take_header(stream).await;
        if let Err(refusal) = &taken {
            let peer = stream.get_socket_digest().map(|socket| peer_of(&socket));
            match refusal {
                // As balancers do to see whether there is somebody.
                Refusal::Cut(_) => tracing::debug!(?peer, "connection closed: {refusal}"),
                _ => tracing::warn!(?peer, "connection closed: {refusal}"),
            }
        }
        taken
    }

    async fn take_header(&self, stream: &mut Stream) -> Result<(), Refusal> {
        let socket = stream.get_socket_digest();
        let own = socket.as_ref().and_then(|socket| socket.local_addr());
        if !self.is_expected(own) {
            return Ok(());
        }
        let peer = socket.as_deref().map_or(Peer::Unknown, peer_of);
        if !self.trusted.contains(peer) {
            return Err(Refusal::Untrusted);
        }
        let read = timeout(HEADER_TIMEOUT, read_header(stream));
        let (peer, own) = match read.await.map_err(|_| Refusal::TooSlow)?? {
            Source::Balancer => return Ok(()),
            Source::Client(address, port) => {
                let client = InetAddr::new(address.to_canonical(), port);
                (Some(SocketAddr::Inet(client)), own.cloned())
            }
            // Without our own address either: a peer without one at a Unix socket would be taken for the balancer.
            Source::Unknown => (None, None),
        };
        let digest = SocketDigest::from_raw_fd(stream.id());
        // Both cells are new.
        let _ = digest.peer_addr.set(peer);
        let _ = digest.local_addr.set(own);
        stream.set_socket_digest(digest);
        Ok(())
    }

    fn is_expected(&self, own: Option<&SocketAddr>) -> bool {
        let is_here = |listener: &ListenAddress| own.is_some_and(|own| is_at(listener, own));
        !self.without.iter().any(is_here)
    }
}

/// Whether a connection with this address of ours was taken by a listener.
fn is_at(listener: &ListenAddress, own: &SocketAddr) -> bool {
    match (listener, own) {
        (ListenAddress::Tcp(listener), SocketAddr::Inet(own)) => {
            let is_any = listener.ip().is_unspecified();
            let is_same = listener.ip().to_canonical() == own.ip().to_canonical();
            listener.port() == own.port() && (is_any || is_same)
        }
        (ListenAddress::Unix(listener), SocketAddr::Unix(own)) => {
            own.as_pathname() == Some(listener.as_path())
        }
        _ => false,
    }
}

/// Reads the header and not a byte more.
async fn read_header<S: AsyncRead + Unpin + ?Sized>(stream: &mut S) -> Result<Source, Refusal> {
    let mut bytes = Vec::with_capacity(FIRST_READS);
    loop {
        match parse(&bytes)? {
            Progress::Done(source) => return Ok(source),
            Progress::Needs(more) => {
                let have = bytes.len();
                bytes.resize(have + more, 0);
                let room = bytes.get_mut(have..).unwrap_or_default();
                stream.read_exact(room).await?;
            }
        }
    }
}

/// A balancer sends the header with its first packet; this is room for one lost twice.
const HEADER_TIMEOUT: Duration = Duration::from_secs(5);
const FIRST_READS: usize = 128;

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt;

    use super::*;

    fn block_on<T>(future: impl Future<Output = T>) -> T {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_time().start_paused(true).build().unwrap();
        runtime.block_on(future)
    }

    #[test]
    fn what_follows_the_header_stays_in_the_stream() {
        block_on(async {
            for header in [
                &b"PROXY TCP4 192.0.2.1 198.51.100.1 1 2\r\n"[..],
                b"PROXY UNKNOWN\r\n",
                b"\r\n\r\n\0\r\nQUIT\n\x20\x00\x00\x00",
            ] {
                let (mut balancer, mut stream) = tokio::io::duplex(1000);
                balancer.write_all(header).await.unwrap();
                balancer.write_all(b"next").await.unwrap();
                read_header(&mut stream).await.unwrap();
                let mut next = [0; 4];
                stream.read_exact(&mut next).await.unwrap();
                assert_eq!(&next, b"next");
            }
        });
    }

    #[test]
    fn a_header_that_breaks_off_or_never_ends_is_no_header() {
        block_on(async {
            let (mut balancer, mut stream) = tokio::io::duplex(1000);
            balancer.write_all(b"PROXY TCP4 192.0").await.unwrap();
            let read = timeout(HEADER_TIMEOUT, read_header(&mut stream));
            assert!(read.await.is_err(), "neither an end nor an answer");
            drop(balancer);
            let read = read_header(&mut stream).await;
            assert!(matches!(read, Err(Refusal::Cut(_))), "{read:?}");
        });
    }

    #[test]
    fn only_a_listener_that_is_known_to_expect_no_header_goes_without() {
        let protocol = ProxyProtocol {
            without: [
                ListenAddress::Tcp("127.0.0.1:80".parse().unwrap()),
                ListenAddress::Tcp("[::]:81".parse().unwrap()),
                ListenAddress::Unix("/run/a".into()),
            ]
            .into(),
            trusted: TrustedProxies::default(),
        };
        let inet = |text: &str| SocketAddr::Inet(text.parse().unwrap());
        for own in ["127.0.0.1:80", "[::ffff:127.0.0.1]:80", "192.0.2.1:81"] {
            assert!(!protocol.is_expected(Some(&inet(own))), "{own}");
        }
        for own in ["127.0.0.2:80", "127.0.0.1:82", "[::1]:80"] {
            assert!(protocol.is_expected(Some(&inet(own))), "{own}");
        }
        let unix = |path: &str| {
            let address = std::os::unix::net::SocketAddr::from_pathname(path);
            SocketAddr::Unix(address.unwrap())
        };
        assert!(!protocol.is_expected(Some(&unix("/run/a"))));
        assert!(protocol.is_expected(Some(&unix("/run/b"))) && protocol.is_expected(None));
    }
}
