//! The wiring of every function that answers HTTP: start-up, deadline, panics, CORS, log line.

use std::{
    convert::Infallible,
    panic::AssertUnwindSafe,
    pin::pin,
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use futures_util::FutureExt;
use lambda_runtime::{LambdaEvent, Runtime, service_fn, tower::layer::layer_fn};
use tokio::time::Instant;

use crate::{
    Error, Result,
    after_response::{AfterResponse, after_response},
    app::State,
    config::Env,
    http::{Cors, Header, HttpEvent, Request, Response, add_security_headers},
    request_line::{self, Metrics, RequestLine},
    request_scope::{self, RequestStats},
    routes::{self, ROUTES},
    telemetry,
    user_id::UserId,
};

/// What answers requests: an `async fn` of the state and the request.
pub trait Handler<'a, S: 'a>: Send + Sync + 'static {
    /// Answers a request.
    fn handle(&self, state: &'a S, request: &'a Request) -> impl Future<Output = Result<Response>> + Send + 'a;
}

impl<'a, S: 'a, F, A> Handler<'a, S> for F
where
    F: Fn(&'a S, &'a Request) -> A + Send + Sync + 'static,
    A: Future<Output = Result<Response>> + Send + 'a,
{
    fn handle(&self, state: &'a S, request: &'a Request) -> impl Future<Output = Result<Response>> + Send + 'a {
        self(state, request)
    }
}

/// Runs a function until its environment ends: `main` of every function that answers HTTP.
///
/// `function` is its name in the route table.
pub fn serve<S: State, H: for<'a> Handler<'a, S>>(function: &'static str, handler: H) -> ExitCode {
    std::panic::set_hook(Box::new(telemetry::panic_hook));
    match start(function, handler) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{function}: {error}");
            ExitCode::FAILURE
        }
    }
}

fn start<S: State, H: for<'a> Handler<'a, S>>(function: &'static str, handler: H) -> Result<(), lambda_runtime::Error> {
    let env = Env::from_process();
    env.runtime_api()?;
    let service = Arc::new(Service {
        function,
        metrics_namespace: env.metrics_namespace(),
        cors: Cors::new(env.cors_origins()?),
        state: S::from_env(&env)?,
        handler,
        cold: AtomicBool::new(true),
    });
    // One request at a time needs one thread.
    let mut runtime = match env.concurrency() {
        1 => tokio::runtime::Builder::new_current_thread(),
        _ => tokio::runtime::Builder::new_multi_thread(),
    };
    let runtime = runtime.enable_all().build()?;
    // As a task of its own: whatever wakes the future that the runtime itself blocks on takes a
    // system call to do so.
    let work = runtime.spawn(async move {
        service.state.warm_up(routes::writes(function)).await;
        let handler = service_fn(move |event: LambdaEvent<HttpEvent>| {
            let service = Arc::clone(&service);
            // In a box, as it is moved from hand to hand before it begins.
            Box::pin(async move { Ok::<_, Infallible>(service.answer(event).await) })
        });
        Runtime::new(handler).layer(layer_fn(AfterResponse)).run_concurrent().await
    });
    runtime.block_on(work)?
}

struct Service<S, H> {
    function: &'static str,
    metrics_namespace: Option<String>,
    cors: Cors,
    state: S,
    handler: H,
    cold: AtomicBool,
}

/// What the log line says about the answer to a request.
struct Answered {
    status: u16,
    is_failure: bool,
    is_unauthorized: bool,
    cold_start: bool,
    reason: Option<&'static str>,
    causes: Vec<String>,
    stats: RequestStats,
}

impl<S: State, H: for<'a> Handler<'a, S>> Service<S, H> {
    /// Answers a request, and leaves its log line for later.
    async fn answer(self: Arc<Self>, event: LambdaEvent<HttpEvent>) -> Response {
        let (result, stats) = self.handle(&event).await;
        let request = event.payload.request().ok();
        let (reason, causes) = match &result {
            Ok(_) => (None, Vec::new()),
            Err(error) => error.for_log(),
        };
        let mut response = result.unwrap_or_else(Response::from);
        let origin = request.and_then(|request| request.header(Header::Origin));
        self.cors.apply(origin, &mut response);
        add_security_headers(&mut response);
        response.header("x-request-id", event.context.request_id.clone());
        if request.is_some_and(|request| request.method() == "HEAD") {
            response.remove_body();
        }
        let answered = Answered {
            status: response.status(),
            is_failure: response.is_failure(),
            is_unauthorized: response.is_unauthorized(),
            cold_start: self.cold.swap(false, Ordering::Relaxed),
            reason,
            causes,
            stats,
        };
        after_response(move || self.log(&event, answered));
        response
    }

    /// Runs the handler until the request's deadline.
    async fn handle(&self, event: &LambdaEvent<HttpEvent>) -> (Result<Response>, RequestStats) {
        let deadline = Instant::now() + request_scope::time_left(event.context.deadline);
        let work = async { self.handler.handle(&self.state, event.payload.request()?).await };
        let work = pin!(AssertUnwindSafe(work).catch_unwind());
        // The state is shared by all requests and holds nothing that a panic could leave half done:
        // a connection that was in use is closed.
        let (result, stats) = request_scope::with_request_scope(deadline, work).await;
        (result.unwrap_or(Err(Error::Panic)), stats)
    }

    fn log(&self, LambdaEvent { payload, context, .. }: &LambdaEvent<HttpEvent>, answered: Answered) {
        let Answered { status, is_failure, is_unauthorized, cold_start, reason, causes, stats } = answered;
        let request = payload.request().ok();
        request_line::write(&RequestLine {
            request_id: &context.request_id,
            trace_id: request.and_then(|request| request.header(Header::TraceParent)).and_then(request_line::trace_id),
            xray_trace_id: context.xray_trace_id.as_deref().and_then(request_line::xray_trace_id),
            function: self.function,
            version: &context.env_config.version,
            route: &route(self.function, request.map_or("", Request::path)),
            status,
            is_failure,
            user_id: stats.user_id.as_ref().map(UserId::for_log),
            duration_ms: telemetry::milliseconds(stats.duration),
            database_ms: telemetry::milliseconds(stats.database),
            cold_start,
            reason,
            causes,
            metrics: self.metrics_namespace.as_deref().map(|name| {
                let has_token = request.is_some_and(|request| request.header(Header::Authorization).is_some());
                Metrics::new(name, is_failure, has_token && is_unauthorized)
            }),
        });
    }
}

/// Method and path pattern of a function's route: the one that fits the path, or its first.
fn route(function: &str, path: &str) -> String {
    let mut routes = ROUTES.iter().filter(|route| route.function == function);
    let fitting = routes.clone().find(|route| route.matches(path));
    let route = fitting.or_else(|| routes.next());
    route.map_or_else(|| "$default".to_owned(), |route| format!("{} {}", route.method, route.path))
}
