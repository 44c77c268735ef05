//! What `cargo xtask faults` runs, once it has started a server; see [`tests::faults`].

use std::process::ExitCode;

use tests::{
    faults::{Options, run},
    identity::Identity,
};
use tokio::signal::{
    ctrl_c,
    unix::{SignalKind, signal},
};

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let [requests, seed, form, only, identity] = words[..] else {
        eprintln!("Run `cargo xtask faults`.");
        return ExitCode::FAILURE;
    };
    let number = |text: &str| text.parse::<u64>().expect("a number");
    let options = Options {
        requests: number(requests).try_into().expect("a number of requests"),
        seed: number(seed),
        long: form == "long",
        identity: Identity::EACH[usize::try_from(number(identity)).expect("a number")],
        only: (!only.is_empty()).then(|| only.to_owned().leak() as &'static str),
    };
    let mut terminated = signal(SignalKind::terminate()).expect("a handler");
    // What was started is stopped where it is owned, when the work on it is dropped.
    tokio::select! {
        as_promised = run(&options) => if as_promised { ExitCode::SUCCESS } else { ExitCode::FAILURE },
        _ = ctrl_c() => ExitCode::from(130),
        _ = terminated.recv() => ExitCode::from(143),
    }
}
