//! Work after a response, which no client waits for.
//!
//! Lambda lets an execution environment run until its runtime asks for the next event, and not only until it has sent a
//! response ([AWS](https://aws.amazon.com/blogs/compute/running-code-after-returning-a-response-from-an-aws-lambda-function/)).
//! This time is billed too.

use std::{
    cell::Cell,
    panic::{AssertUnwindSafe, catch_unwind},
    task::{Context, Poll},
};

use futures_util::{FutureExt, future::Map};
use lambda_runtime::{Error, LambdaInvocation, Service};
use tokio::{task::futures::TaskLocalFuture, task_local};

task_local! {
    static WORK: Cell<Option<Work>>;
}

type Work = Box<dyn FnOnce() + Send>;

/// Does `work` when the response to the current request was sent, or could not be sent. A request has one such work.
/// Outside of [`AfterResponse`] it is done now.
pub(crate) fn after_response(work: impl FnOnce() + Send + 'static) {
    let mut work = Some(Box::new(work) as Work);
    let _ = WORK.try_with(|later| later.set(work.take()));
    if let Some(work) = work {
        work();
    }
}

/// A service of the runtime that sends responses, and then does the work of [`after_response`].
#[derive(Clone)]
pub(crate) struct AfterResponse<S>(pub(crate) S);

impl<S> Service<LambdaInvocation> for AfterResponse<S>
where
    S: Service<LambdaInvocation, Response = (), Error = Error>,
{
    type Response = ();
    type Error = Error;
    type Future = TaskLocalFuture<Cell<Option<Work>>, Map<S::Future, fn(Result<(), Error>) -> Result<(), Error>>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, invocation: LambdaInvocation) -> Self::Future {
        WORK.scope(Cell::default(), self.0.call(invocation).map(work))
    }
}

/// Does the work of the current request, and returns what came of sending its response.
fn work(sent: Result<(), Error>) -> Result<(), Error> {
    if let Some(work) = WORK.with(Cell::take) {
        // Here nothing else keeps a panic, which is in the log, from ending the environment.
        let _ = catch_unwind(AssertUnwindSafe(work));
    }
    sent
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use lambda_http::http::Response;
    use lambda_runtime::service_fn;

    use super::*;

    #[tokio::test]
    async fn the_work_is_done_once_after_the_response_was_sent_or_not() {
        let done = Arc::new(Mutex::new(Vec::new()));
        let mut service = AfterResponse(service_fn(|invocation: LambdaInvocation| {
            let done = Arc::clone(&done);
            async move {
                let later = Arc::clone(&done);
                after_response(move || {
                    later.lock().unwrap().push("logged");
                    std::panic::resume_unwind(Box::new("on purpose"));
                });
                done.lock().unwrap().push("sent");
                if invocation.body.is_empty() { Err("not sent".into()) } else { Ok(()) }
            }
        }));
        for (body, is_sent) in [("{}", true), ("", false), ("{}", true)] {
            let (parts, ()) = Response::new(()).into_parts();
            let invocation = LambdaInvocation { parts, body: body.into(), context: lambda_runtime::Context::default() };
            assert_eq!(service.call(invocation).await.is_ok(), is_sent);
        }
        assert_eq!(*done.lock().unwrap(), ["sent", "logged"].repeat(3));
    }
}
