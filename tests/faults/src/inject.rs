//! The faults.

use std::{fs, io::Write, path::Path, time::Duration};

use devtools::{
    signal::{self, Signal},
    tools::system::Package,
};
use tests::{proxy::Proxy, random::Random};
use tokio::time::sleep;

use crate::test_bed::TestBed;

/// A kind of fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// No fault, to compare the others with.
    None,
    /// Backends are terminated, those that run a statement first.
    BackendsKilled,
    /// The server is restarted: statements under way are cancelled.
    ServerRestarted,
    /// The server's processes are stopped in the middle of their work, and continued later.
    ServerStopped,
    /// The server is stopped as by a crash, and recovers.
    ServerCrashed,
    /// Connections are cut.
    ConnectionsCut,
    /// Answers are lost: the server has done what it was asked, and the function is not told.
    AnswersLost,
    /// The wires hold everything back; it arrives later or never.
    BlackHole,
    /// Connections die, and neither end is told.
    HalfOpen,
    /// Everything takes long.
    Latency,
    /// The disk is full.
    DiskFull,
    /// The server takes no more connections.
    TooManyConnections,
    /// The pooler is restarted.
    PoolerRestarted,
    /// Functions are killed at work.
    FunctionsKilled,
    /// Environments are stopped between requests, and lose their connections meanwhile.
    Frozen,
    /// The functions' clock jumps.
    ClockStepped,
    /// All of them.
    Mixed,
}

impl Fault {
    pub(crate) const ALL: [Self; 17] = [
        Self::None,
        Self::BackendsKilled,
        Self::ServerRestarted,
        Self::ServerStopped,
        Self::ServerCrashed,
        Self::ConnectionsCut,
        Self::AnswersLost,
        Self::BlackHole,
        Self::HalfOpen,
        Self::Latency,
        Self::DiskFull,
        Self::TooManyConnections,
        Self::PoolerRestarted,
        Self::FunctionsKilled,
        Self::Frozen,
        Self::Mixed,
        // The last one, as it replaces the functions.
        Self::ClockStepped,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::BackendsKilled => "backends killed",
            Self::ServerRestarted => "server restarted",
            Self::ServerStopped => "server stands still",
            Self::ServerCrashed => "server crashed",
            Self::ConnectionsCut => "connections cut",
            Self::AnswersLost => "answers lost",
            Self::BlackHole => "black hole",
            Self::HalfOpen => "half-open connections",
            Self::Latency => "latency",
            Self::DiskFull => "disk full",
            Self::TooManyConnections => "too many connections",
            Self::PoolerRestarted => "pooler restarted",
            Self::FunctionsKilled => "functions killed",
            Self::Frozen => "environments frozen",
            Self::ClockStepped => "clock stepped",
            Self::Mixed => "all of them",
        }
    }

    /// Why it cannot be injected on this machine, if it cannot.
    pub(crate) fn impossible(self, bed: &TestBed) -> Option<&'static str> {
        match self {
            Self::DiskFull if bed.filler().is_none() => Some("a small disk can be mounted by root on Linux only"),
            Self::PoolerRestarted if bed.pooled.is_none() => Some("there is no PgBouncer"),
            Self::ClockStepped if Package::Faketime.find().is_none() => Some("libfaketime is not installed"),
            _ => None,
        }
    }

    /// How many milliseconds to wait before it is injected again: at least, and less than.
    pub(crate) fn pause(self) -> (usize, usize) {
        match self {
            Self::BackendsKilled | Self::AnswersLost | Self::FunctionsKilled => (10, 60),
            Self::ConnectionsCut => (40, 200),
            Self::ServerRestarted | Self::ServerCrashed => (300, 1500),
            Self::Mixed => (50, 300),
            _ => (100, 800),
        }
    }

    /// Makes it happen once, and ends it again.
    pub(crate) async fn inject(self, bed: &TestBed, random: &mut Random) {
        let long = bed.long;
        let for_a_while = |random: &mut Random, short: (usize, usize), longer: (usize, usize)| {
            let (from, to) = if long { longer } else { short };
            Duration::from_millis((from + random.below(to - from)).try_into().unwrap_or(1000))
        };
        match self {
            Self::None => {}
            Self::BackendsKilled => terminate(bed, 1 + random.below(3)).await,
            Self::ServerRestarted => bed.restart("fast").await,
            Self::ServerCrashed => bed.restart("immediate").await,
            Self::ServerStopped => {
                let backends = backends(bed).await;
                // A process may have ended meanwhile, which is no failure.
                for process in &backends {
                    signal::send(*process, Signal::SIGSTOP);
                }
                sleep(for_a_while(random, (200, 3900), (500, 12_000))).await;
                if random.below(2) == 0 {
                    bed.wires().for_each(Proxy::cut);
                    sleep(for_a_while(random, (100, 1500), (100, 3000))).await;
                }
                for process in &backends {
                    signal::send(*process, Signal::SIGCONT);
                }
            }
            Self::ConnectionsCut => bed.wires().for_each(Proxy::cut),
            Self::AnswersLost => bed.wires().for_each(|wire| wire.lose_answers(1)),
            Self::BlackHole => {
                bed.wires().for_each(Proxy::hold);
                sleep(for_a_while(random, (3300, 3900), (500, 12_000))).await;
                if random.below(2) == 0 {
                    bed.wires().for_each(Proxy::cut);
                }
                bed.wires().for_each(Proxy::release);
            }
            Self::HalfOpen => {
                bed.wires().for_each(Proxy::sever);
                sleep(for_a_while(random, (200, 600), (500, 3000))).await;
                bed.wires().for_each(Proxy::cut_severed);
            }
            Self::Latency => {
                let delay = Duration::from_millis(if long { 1000 } else { 250 });
                bed.wires().for_each(|wire| wire.delay(delay));
                sleep(for_a_while(random, (500, 1000), (3000, 6000))).await;
                bed.wires().for_each(|wire| wire.delay(Duration::ZERO));
            }
            Self::DiskFull => {
                let Some(filler) = bed.filler() else { return };
                fill(&filler);
                sleep(for_a_while(random, (200, 800), (300, 2000))).await;
                // The file is missing when the disk had no room even for its name.
                let _ = fs::remove_file(&filler);
            }
            Self::TooManyConnections => {
                let name = bed.database.name();
                bed.run(&format!("ALTER DATABASE {name} CONNECTION LIMIT 3")).await;
                terminate(bed, 1000).await;
                sleep(for_a_while(random, (200, 1000), (500, 3000))).await;
                bed.run(&format!("ALTER DATABASE {name} CONNECTION LIMIT -1")).await;
            }
            Self::PoolerRestarted => {
                let Some((pooler, _)) = &bed.pooled else { return };
                pooler.stop().await;
                sleep(for_a_while(random, (10, 300), (10, 1000))).await;
                pooler.start().await;
            }
            Self::FunctionsKilled => bed.fleets.iter().for_each(|fleet| fleet.kill_one(random)),
            Self::Frozen => freeze(bed, random).await,
            Self::ClockStepped => {
                let step = *random.pick(&["-3600", "+1", "-5", "+0", "-86400"]);
                step_clock(step);
                sleep(for_a_while(random, (200, 500), (200, 1000))).await;
                step_clock("+0");
            }
            Self::Mixed => {
                let all: Vec<_> = Self::ALL
                    .into_iter()
                    .filter(|fault| *fault != Self::Mixed && *fault != Self::ClockStepped)
                    .filter(|fault| fault.impossible(bed).is_none())
                    .collect();
                Box::pin(random.pick(&all).inject(bed, random)).await;
            }
        }
    }

    /// Undoes what a fault may have left behind.
    pub(crate) async fn heal(bed: &TestBed) {
        for wire in bed.wires() {
            wire.lose_answers(0);
            wire.delay(Duration::ZERO);
            wire.release();
            wire.cut_severed();
        }
        bed.run(&format!("ALTER DATABASE {} CONNECTION LIMIT -1", bed.database.name())).await;
    }
}

/// Terminates some backends, first those that run a statement.
async fn terminate(bed: &TestBed, count: usize) {
    let sql = format!(
        "SELECT pg_terminate_backend(pid) FROM (
            SELECT pid FROM pg_stat_activity
            WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'
                AND usename = current_database()
            ORDER BY state = 'active' DESC, random() LIMIT {count}
        ) AS chosen"
    );
    bed.run(&sql).await;
}

/// The processes of the server that work for functions.
async fn backends(bed: &TestBed) -> Vec<u32> {
    let sql = "SELECT pid FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'
            AND usename = current_database()";
    let rows = bed.superuser().await.query(sql, &[]).await.unwrap_or_default();
    rows.iter().filter_map(|row| row.get::<_, i32>(0).try_into().ok()).collect()
}

/// Does what Lambda does between requests: stops the environments, whose connections are closed meanwhile.
async fn freeze(bed: &TestBed, random: &mut Random) {
    let closed = bed.gate.write().await;
    bed.wires().for_each(Proxy::cut_severed);
    for fleet in &bed.fleets {
        fleet.signal(Signal::SIGSTOP);
    }
    if bed.long && random.below(2) == 0 {
        // The environments are not told, and have to find out by themselves.
        bed.wires().for_each(Proxy::sever);
    } else {
        terminate(bed, 1000).await;
        bed.wires().for_each(Proxy::cut);
    }
    // Longer than a connection may be idle before the function checks it, or not as long.
    let seconds = if bed.long { *random.pick(&[65, 5]) } else { 1 };
    sleep(Duration::from_secs(seconds)).await;
    for fleet in &bed.fleets {
        fleet.signal(Signal::SIGCONT);
    }
    drop(closed);
}

/// Writes until there is no more room.
fn fill(filler: &Path) {
    let Ok(mut file) = fs::File::create(filler) else { return };
    // The last bytes in single pages, so that no page is left for the server.
    for block in [vec![0; 256 * 1024], vec![0; 4096]] {
        while file.write_all(&block).is_ok() {}
    }
}

/// The file that the functions' clock follows.
pub(crate) fn clock() -> std::path::PathBuf {
    std::env::temp_dir().join(format!("faults-clock-{}", std::process::id()))
}

/// Sets the clock of the functions to an offset from the real one, in seconds.
pub(crate) fn step_clock(offset: &str) {
    let next = clock().with_extension("next");
    fs::write(&next, format!("{offset}\n")).and_then(|()| fs::rename(&next, clock())).expect("the clock's file");
}
