//! Faults under load: clients call the real functions while everything below them breaks, and
//! what they were told is held to what is in the database afterwards.
//!
//! `cargo xtask faults` runs it; the same seed makes the same plans of requests and faults.

mod check;
mod client;
mod creates;
mod evidence;
mod history;
mod inject;
mod plan;
mod record;
mod stage;
mod table;

use std::{sync::Arc, time::Duration};

use tokio::{sync::watch, task::JoinSet};

pub use check::{Verdict, check};
pub use record::{Action, Change, Evidence, Fate, Image, Op, Seen, Version};

use crate::{identity::Identity, random::Random};
use client::Client;
use inject::Fault;
use stage::Stage;
use table::{Round, Tally};

/// How the suite runs.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// How many requests all rounds together plan. Some steps of a plan need more than one.
    pub requests: usize,
    /// What the plans follow from.
    pub seed: u64,
    /// Whether there is a quarter of an hour for it, or a minute.
    pub long: bool,
    /// Only faults whose name has this in it.
    pub only: Option<&'static str>,
    /// Who the users are.
    pub identity: Identity,
}

/// Clients that have their user for themselves, and pairs that share one.
const SHORT: (usize, usize) = (6, 1);
const LONG: (usize, usize) = (12, 2);

/// How many users a round may have.
const USERS: i32 = 100;

/// Runs all rounds and prints a line for each. Whether everything was as promised.
pub async fn run(options: &Options) -> bool {
    let mut stage = Stage::set(options.long, options.identity).await;
    let (own, pairs) = if options.long { LONG } else { SHORT };
    let ways = if stage.pooled.is_some() { 2 } else { 1 };
    let each = (own + 2 * pairs).div_ceil(ways);
    stage.staff(each, &[]).await;
    let faults: Vec<_> = Fault::ALL
        .into_iter()
        .enumerate()
        .filter(|(_, fault)| options.only.is_none_or(|only| fault.name().contains(only)))
        .collect();
    let steps = options.requests / faults.len().max(1) / (own + 2 * pairs);
    let [(_, ids), (_, table)] = options.identity.variables();
    println!("users with {ids} ids, in the table {table}");
    println!("seed {}, {own} clients and {pairs} pairs, {steps} steps each in a round\n", options.seed);
    table::header();
    let mut rounds = Vec::new();
    for (number, fault) in faults {
        if let Some(reason) = fault.impossible(&stage) {
            println!("{:<22} NOT TESTED: {reason}", fault.name());
            continue;
        }
        if fault == Fault::ClockStepped {
            staff_with_other_clock(&mut stage, each).await;
        }
        let round = play(&stage, options, number, fault, steps).await;
        round.print();
        rounds.push(round);
    }
    table::conclusion(&rounds, options.seed)
}

/// Replaces the functions by some whose clock can be stepped. Their timers are left alone, as they
/// are when a machine's clock is set.
async fn staff_with_other_clock(stage: &mut Stage, clients: usize) {
    inject::step_clock("+0");
    let library = inject::faketime().unwrap_or_default().display().to_string();
    let clock = inject::clock().display().to_string();
    let variables = [
        ("LD_PRELOAD", library.as_str()),
        ("FAKETIME_TIMESTAMP_FILE", &clock),
        ("FAKETIME_NO_CACHE", "1"),
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
    ];
    stage.staff(clients, &variables).await;
}

/// One fault, again and again, until the clients are done.
async fn play(stage: &Stage, options: &Options, number: usize, fault: Fault, steps: usize) -> Round {
    let round = u64::try_from(number).expect("a number");
    let (users, clients) = cast(stage, options, number).await;
    let late = |stage: &Stage| stage.fleets.iter().map(|fleet| fleet.late()).sum::<usize>();
    let crashes = |stage: &Stage| stage.fleets.iter().flat_map(|fleet| fleet.crashes()).collect::<Vec<_>>();
    let (late_before, crashes_before) = (late(stage), crashes(stage).len());
    let started = std::time::Instant::now();
    let mut work = JoinSet::new();
    for (shared, mut client) in clients {
        let who = [round, u64::try_from(client.number).expect("a number")];
        let plan = plan::plan(&mut Random::of(options.seed, &who), shared, steps);
        let pause = stage.pace() / u32::try_from(steps.max(1)).expect("a number of steps") / 500;
        work.spawn(async move {
            for (step, choice) in plan {
                client.step(step, choice).await;
                tokio::time::sleep(pause * u32::try_from(choice % 1000).expect("a number")).await;
            }
            client
        });
    }
    let (done, mut is_done) = watch::channel(false);
    let strikes = async {
        let mut random = Random::of(options.seed, &[round]);
        let mut strikes = 0_usize;
        loop {
            let (from, to) = fault.pause();
            let pause = Duration::from_millis((from + random.below(to - from)).try_into().expect("a pause"));
            // A fault that has begun comes to its end.
            tokio::select! {
                _ = is_done.wait_for(|done| *done) => return strikes,
                () = tokio::time::sleep(pause) => {}
            }
            if fault != Fault::None && started.elapsed() < stage.pace() {
                fault.strike(stage, &mut random).await;
                strikes += 1;
            }
        }
    };
    let clients = async {
        let mut clients = Vec::new();
        while let Some(client) = work.join_next().await {
            clients.push(client.expect("a client"));
        }
        done.send_replace(true);
        clients
    };
    let (strikes, clients) = tokio::join!(strikes, clients);
    let took = started.elapsed();
    Fault::heal(stage).await;
    let evidence = evidence::collect(&stage.quiet().await, &users).await.expect("the evidence");
    let mut tally = Tally::default();
    let (mut ops, mut wrong) = (Vec::new(), Vec::new());
    for client in clients {
        tally.add(&client.tally);
        ops.extend(client.ops);
        wrong.extend(client.wrong);
    }
    wrong.extend(crashes(stage).split_off(crashes_before));
    let mut verdict = check(&ops, &evidence);
    verdict.wrong.extend(wrong);
    Round { name: fault.name(), strikes, took, tally, verdict, late: late(stage) - late_before }
}

/// The clients of a round and their users. What pairs share is made before anything breaks.
async fn cast(stage: &Stage, options: &Options, number: usize) -> (Vec<String>, Vec<(bool, Client)>) {
    let (own, pairs) = if options.long { LONG } else { SHORT };
    let first = USERS * (1 + i32::try_from(number).expect("a number"));
    let mut clients = Vec::new();
    let mut users = Vec::new();
    let client = |number: usize, user: i32| {
        let fleet = Arc::clone(&stage.fleets[number % stage.fleets.len()]);
        Client::new(number, (stage.database.identity, user), fleet, Arc::clone(&stage.gate))
    };
    let superuser = stage.superuser().await;
    let new_user = async |users: &mut Vec<String>| {
        let user = first + i32::try_from(users.len()).expect("a number");
        stage.database.users_over(&superuser, &[user]).await;
        users.push(stage.database.identity.id(user));
        user
    };
    for number in 0..own {
        clients.push((false, client(number, new_user(&mut users).await)));
    }
    for pair in 0..pairs {
        let user = new_user(&mut users).await;
        let mut one = client(own + 2 * pair, user);
        for _ in 0..3 {
            one.create(1).await;
        }
        let mut other = client(own + 2 * pair + 1, user);
        other.tasks.clone_from(&one.tasks);
        clients.extend([(true, one), (true, other)]);
    }
    (users, clients)
}
