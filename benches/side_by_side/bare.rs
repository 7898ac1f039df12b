//! What the proxy is compared with: Pingora passing everything through, with the program's settings and nothing else.

use std::sync::Arc;

use async_trait::async_trait;
use pingora::Result;
use pingora::apps::HttpServerOptions;
use pingora::proxy::{ProxyHttp, Session, http_proxy};
use pingora::server::configuration::ServerConf;
use pingora::server::{RunArgs, Server};
use pingora::services::listening::Service;
use pingora::upstreams::peer::HttpPeer;

struct Bare {
    upstream: String,
}

#[async_trait]
impl ProxyHttp for Bare {
    type CTX = ();

    fn new_ctx(&self) {}

    fn init_downstream_modules(&self, _modules: &mut pingora::modules::http::HttpModules) {}

    async fn request_filter(&self, session: &mut Session, _ctx: &mut ()) -> Result<bool> {
        session.set_keepalive(Some(60));
        Ok(false)
    }

    async fn upstream_peer(&self, _: &mut Session, _: &mut ()) -> Result<Box<HttpPeer>> {
        let peer = HttpPeer::new(self.upstream.as_str(), false, String::new());
        Ok(Box::new(peer))
    }
}

/// Passes what comes to `listen` on to `upstream`, with one worker, until the process is ended.
pub(crate) fn run(listen: &str, upstream: &str) {
    let conf = ServerConf {
        threads: 1,
        ..ServerConf::default()
    };
    let mut server = Server::new_with_opt_and_conf(None, conf);
    server.bootstrap();
    let bare = Bare {
        upstream: upstream.to_owned(),
    };
    let mut app = http_proxy(&Arc::clone(&server.configuration), bare);
    let mut options = HttpServerOptions::default();
    options.h2c = true;
    options.keepalive_request_limit = Some(10_000);
    app.server_options = Some(options);
    let mut service = Service::new("bare".to_owned(), app);
    service.add_tcp(listen);
    server.add_service(service);
    server.run(RunArgs::default());
}
