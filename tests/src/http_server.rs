//! Serves the API over HTTP, for programs that can only use HTTP. This gateway does not have the faults of an
//! emulator.

use std::sync::Arc;

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::{Request, State},
    http::Response,
};
use tokio::{net::TcpListener, task::JoinHandle};

use crate::Api;

/// The maximum size of a body at API Gateway.
const MAX_BODY: usize = 10 * 1024 * 1024;

/// A server. It stops when this is dropped.
pub struct HttpServer {
    url: String,
    server: JoinHandle<()>,
}

impl HttpServer {
    /// Serves an API on a port of 127.0.0.1.
    pub async fn of(api: Arc<Api>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port for the API");
        let url = format!("http://{}", listener.local_addr().expect("the port of the API"));
        let router = Router::new().fallback(answer).with_state(api);
        let server = tokio::spawn(async { axum::serve(listener, router).await.expect("the API's server") });
        Self { url, server }
    }

    /// The server's origin.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }
}

impl Drop for HttpServer {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn answer(State(api): State<Arc<Api>>, request: Request) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let target = parts.uri.path_and_query().map_or("/", |target| target.as_str());
    let mut translated = crate::Request::new(parts.method.as_str(), target);
    for (name, value) in &parts.headers {
        translated = translated.header(name.as_str(), &String::from_utf8_lossy(value.as_bytes()));
    }
    let body = to_bytes(body, MAX_BODY).await.expect("a body");
    translated.body = (!body.is_empty()).then(|| body.to_vec());
    let answer = api.send(translated).await;
    let mut response = Response::builder().status(u16::try_from(answer.status).expect("a status"));
    for (name, value) in answer.headers {
        response = response.header(name, value);
    }
    response.body(answer.bytes.into()).expect("an answer")
}
