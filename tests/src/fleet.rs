//! Functions as Lambda runs them: an execution environment serves one request at a time, is kept for the next
//! request, is replaced when it ends, and is stopped when its request times out.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use devtools::signal::{self, Signal};

use crate::{
    Request, Response, answer,
    gateway::{Gateway, Style},
    random::Random,
    runtime::{Function, Lost},
};

/// The functions of an API, with as many execution environments as their requests need.
pub struct Fleet {
    gateway: Gateway,
    variables: BTreeMap<String, String>,
    timeout: Duration,
    idle: Mutex<HashMap<String, VecDeque<Arc<Function>>>>,
    busy: Mutex<Vec<Arc<Function>>>,
    late: AtomicUsize,
    /// The output of environments that ended by themselves.
    crashes: Mutex<Vec<String>>,
}

impl Fleet {
    /// A fleet with these variables and this timeout for each function.
    #[must_use]
    pub fn new(variables: BTreeMap<String, String>, timeout: Duration) -> Self {
        Self {
            gateway: Gateway::of_template(Style::Aws),
            variables,
            timeout,
            idle: Mutex::default(),
            busy: Mutex::default(),
            late: AtomicUsize::default(),
            crashes: Mutex::default(),
        }
    }

    /// Starts environments before requests arrive.
    pub async fn warm_up(&self, function: &str, count: usize) {
        for _ in 0..count {
            let environment = Arc::new(Function::start(function, &self.variables, 1).await);
            self.give_back(function, environment);
        }
    }

    /// Sends a request. `None` when the environment ended, or timed out and was stopped.
    ///
    /// The request goes to the environment that was idle longest, so that all environments are used, and requests
    /// meet what broke while environments were idle.
    pub async fn send(&self, request: &Request) -> Option<Response> {
        let (name, event) = self.gateway.event(request);
        let environment = match self.take(&name) {
            Some(environment) => environment,
            None => Arc::new(Function::start(&name, &self.variables, 1).await),
        };
        self.busy.lock().expect("the busy ones").push(Arc::clone(&environment));
        let result = environment.attempt(event.to_string(), self.timeout, Duration::ZERO).await;
        self.busy.lock().expect("the busy ones").retain(|busy| !Arc::ptr_eq(busy, &environment));
        match result {
            Ok(payload) => {
                self.give_back(&name, environment);
                return Some(answer(&payload));
            }
            Err(_) if environment.was_killed() => {}
            Err(Lost::TimedOut) => {
                self.late.fetch_add(1, Ordering::SeqCst);
                environment.kill();
            }
            Err(lost) => {
                let mut crashes = self.crashes.lock().expect("the crashes");
                crashes.push(format!("{name}: {lost:?}\n{}", environment.log().join("\n")));
            }
        }
        None
    }

    fn take(&self, function: &str) -> Option<Arc<Function>> {
        let mut idle = self.idle.lock().expect("the idle ones");
        let idle = idle.get_mut(function)?;
        while let Some(environment) = idle.pop_front() {
            if environment.ended().is_none() {
                return Some(environment);
            }
        }
        None
    }

    fn give_back(&self, function: &str, environment: Arc<Function>) {
        self.idle.lock().expect("the idle ones").entry(function.into()).or_default().push_back(environment);
    }

    /// The number of requests that timed out.
    #[must_use]
    pub fn late(&self) -> usize {
        self.late.load(Ordering::SeqCst)
    }

    /// The output of environments that ended by themselves, which must not happen.
    #[must_use]
    pub fn crashes(&self) -> Vec<String> {
        self.crashes.lock().expect("the crashes").clone()
    }

    /// The last lines of every idle environment.
    #[must_use]
    pub fn log(&self) -> Vec<String> {
        let idle = self.idle.lock().expect("the idle ones");
        idle.values().flatten().flat_map(|environment| environment.log()).collect()
    }

    /// Kills an environment that works on a request, if one does.
    pub fn kill_one(&self, random: &mut Random) {
        let busy = self.busy.lock().expect("the busy ones");
        if !busy.is_empty() {
            random.pick(&busy).kill();
        }
    }

    /// Stops every idle environment, as Lambda does between requests (`SIGSTOP`), or continues it (`SIGCONT`).
    pub fn signal(&self, signal: Signal) {
        let idle = self.idle.lock().expect("the idle ones");
        for process in idle.values().flatten().flat_map(|environment| environment.pids()) {
            // An environment that has ended meanwhile needs no signal.
            signal::send(process, signal);
        }
    }
}
