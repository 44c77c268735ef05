//! The rounds of the suite: in each, one fault is injected again and again while clients work.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use devtools::{
    tools::system::Package,
    ui::{bar, print},
};
use tests::{identity::Identity, random::Random};
use tokio::{sync::watch, task::JoinSet};

use crate::{
    check::check,
    client::Client,
    evidence,
    inject::{self, Fault},
    plan,
    table::{self, Round, Tally},
    test_bed::{Machine, TestBed},
};

/// How the suite runs.
pub(crate) struct Suite {
    /// How many requests all rounds together plan. Some steps of a plan need more than one.
    pub(crate) requests: usize,
    /// What the plans follow from.
    pub(crate) seed: u64,
    /// Whether there is a quarter of an hour for it, or a minute.
    pub(crate) long: bool,
    /// Only faults with this in their name.
    pub(crate) only: String,
    /// Who the users are.
    pub(crate) identity: Identity,
}

/// How many clients have a user of their own, and how many pairs of clients share a user.
const SHORT: (usize, usize) = (6, 1);
const LONG: (usize, usize) = (12, 2);

/// How many users a round may have.
const USERS: i32 = 100;

/// A client, and whether it shares its user.
type Starting = (bool, Client);

impl Suite {
    /// Runs all rounds and prints a line for each. Whether everything was as promised.
    pub(crate) async fn run(&self, machine: Machine) -> bool {
        let mut bed = TestBed::start(machine, self.long, self.identity).await;
        let (own, pairs) = self.clients();
        let ways = if bed.pooled.is_some() { 2 } else { 1 };
        let each = (own + 2 * pairs).div_ceil(ways);
        bed.start_functions(each, &[]).await;
        let faults = Fault::ALL.into_iter().enumerate();
        let faults: Vec<_> = faults.filter(|(_, fault)| fault.name().contains(&self.only)).collect();
        let steps = self.requests / faults.len().max(1) / (own + 2 * pairs);
        let [(_, ids), (_, table)] = self.identity.variables();
        print(format!("users with {ids} ids, in the table {table}"));
        print(format!("seed {}, {own} clients and {pairs} pairs, {steps} steps each in a round\n", self.seed));
        table::header();
        let bar = bar("Breaking everything", faults.len());
        let mut rounds = Vec::new();
        for (number, fault) in faults {
            if let Some(reason) = fault.impossible(&bed) {
                print(format!("{:<22} NOT TESTED: {reason}", fault.name()));
            } else {
                if fault == Fault::ClockStepped {
                    start_functions_with_another_clock(&mut bed, each).await;
                }
                let round = self.run_round(&bed, number, fault, steps).await;
                round.print();
                rounds.push(round);
            }
            bar.inc(1);
        }
        bar.finish_and_clear();
        table::conclusion(&rounds, self.seed)
    }

    fn clients(&self) -> (usize, usize) {
        if self.long { LONG } else { SHORT }
    }

    /// Injects one fault again and again until the clients are done, and checks what they were told.
    async fn run_round(&self, bed: &TestBed, number: usize, fault: Fault, steps: usize) -> Round {
        let round = u64::try_from(number).expect("a number");
        let (users, clients) = self.start_clients(bed, number).await;
        let late = || bed.fleets.iter().map(|fleet| fleet.late()).sum::<usize>();
        let crashes = || bed.fleets.iter().flat_map(|fleet| fleet.crashes()).collect::<Vec<_>>();
        let (late_before, crashes_before) = (late(), crashes().len());
        let started = Instant::now();
        let work = self.start_work(bed, round, clients, steps);
        let (done, is_done) = watch::channel(false);
        let clients = async {
            let clients = work.join_all().await;
            done.send_replace(true);
            clients
        };
        let random = Random::of(self.seed, &[round]);
        let (injected, clients) = tokio::join!(inject_until_done(bed, fault, random, started, is_done), clients);
        let took = started.elapsed();
        Fault::heal(bed).await;
        let evidence = evidence::collect(&bed.quiet().await, &users).await.expect("the evidence");
        let mut tally = Tally::default();
        let (mut ops, mut wrong) = (Vec::new(), Vec::new());
        for client in clients {
            tally.add(&client.tally);
            ops.extend(client.ops);
            wrong.extend(client.wrong);
        }
        wrong.extend(crashes().split_off(crashes_before));
        let mut verdict = check(&ops, &evidence);
        verdict.wrong.extend(wrong);
        Round { name: fault.name(), injected, took, tally, verdict, late: late() - late_before }
    }

    /// Lets each client work through a plan of its own.
    fn start_work(&self, bed: &TestBed, round: u64, clients: Vec<Starting>, steps: usize) -> JoinSet<Client> {
        let mut work = JoinSet::new();
        for (shared, mut client) in clients {
            let who = [round, u64::try_from(client.number).expect("a number")];
            let plan = plan::plan(&mut Random::of(self.seed, &who), shared, steps);
            let pause = bed.pace() / u32::try_from(steps.max(1)).expect("a number of steps") / 500;
            work.spawn(async move {
                for (step, choice) in plan {
                    client.step(step, choice).await;
                    tokio::time::sleep(pause * u32::try_from(choice % 1000).expect("a number")).await;
                }
                client
            });
        }
        work
    }

    /// Makes the users of a round and the clients that act for them. The tasks that a pair shares are made here, before
    /// anything breaks.
    async fn start_clients(&self, bed: &TestBed, number: usize) -> (Vec<String>, Vec<Starting>) {
        let (own, pairs) = self.clients();
        let first = USERS * (1 + i32::try_from(number).expect("a number"));
        let mut clients = Vec::new();
        let mut users = Vec::new();
        let client = |number: usize, user: i32| {
            let fleet = Arc::clone(&bed.fleets[number % bed.fleets.len()]);
            Client::new(number, (bed.database.identity, user), fleet, Arc::clone(&bed.gate))
        };
        let superuser = bed.superuser().await;
        let new_user = async |users: &mut Vec<String>| {
            let user = first + i32::try_from(users.len()).expect("a number");
            bed.database.users_over(&superuser, &[user]).await;
            users.push(bed.database.identity.id(user));
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
}

/// Injects a fault again and again until the clients are done, and answers how often.
async fn inject_until_done(
    bed: &TestBed,
    fault: Fault,
    mut random: Random,
    started: Instant,
    mut is_done: watch::Receiver<bool>,
) -> usize {
    let mut injected = 0;
    loop {
        let (from, to) = fault.pause();
        let pause = Duration::from_millis((from + random.below(to - from)).try_into().expect("a pause"));
        // Only the pause is cut short: a fault that has begun is ended by its own code.
        tokio::select! {
            _ = is_done.wait_for(|done| *done) => return injected,
            () = tokio::time::sleep(pause) => {}
        }
        if let Some((pooler, _)) = &bed.pooled {
            pooler.revive().await;
        }
        if fault != Fault::None && started.elapsed() < bed.pace() {
            fault.inject(bed, &mut random).await;
            injected += 1;
        }
    }
}

/// Replaces the functions by some with a clock that can be stepped. Their timers follow the real clock, as they do when
/// the clock of a machine is set.
async fn start_functions_with_another_clock(bed: &mut TestBed, clients: usize) {
    inject::step_clock("+0");
    let library = Package::Faketime.find().unwrap_or_default().display().to_string();
    let clock = inject::clock().display().to_string();
    let variables = [
        ("LD_PRELOAD", library.as_str()),
        ("FAKETIME_TIMESTAMP_FILE", &clock),
        ("FAKETIME_NO_CACHE", "1"),
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
    ];
    bed.start_functions(clients, &variables).await;
}
