//! The faults.

use std::{fs, io::Write, path::Path, time::Duration};

use devtools::signal::{self, Signal};
use tokio::time::sleep;

use super::stage::Stage;
use crate::{proxy::Proxy, random::Random};

/// A kind of fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// None: what the others are to be compared with.
    None,
    /// Backends are terminated, those that run a statement first.
    BackendsKilled,
    /// The server is restarted: statements under way are cancelled.
    ServerRestarted,
    /// The server's processes stand still in the middle of their work, and go on later.
    ServerStopped,
    /// The server is stopped as a crash would stop it, and recovers.
    ServerCrashed,
    /// Connections are cut.
    ConnectionsCut,
    /// Answers are lost: done, and nobody is told.
    AnswersLost,
    /// Nothing moves on the wires, and what was sent arrives later or never.
    BlackHole,
    /// Connections die without a word to either end.
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
    pub(super) const ALL: [Self; 17] = [
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
        // The last one, as it takes functions of its own.
        Self::ClockStepped,
    ];

    pub(super) fn name(self) -> &'static str {
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

    /// Why it cannot happen here.
    pub(super) fn impossible(self, stage: &Stage) -> Option<&'static str> {
        match self {
            Self::DiskFull if stage.small_disk.is_none() => Some("a small disk can be mounted by root on Linux only"),
            Self::PoolerRestarted if stage.pooled.is_none() => Some("there is no PgBouncer"),
            Self::ClockStepped if faketime().is_none() => Some("libfaketime is not installed"),
            _ => None,
        }
    }

    /// How long it takes until it happens again, in milliseconds: from and up to.
    pub(super) fn pause(self) -> (usize, usize) {
        match self {
            Self::BackendsKilled | Self::AnswersLost | Self::FunctionsKilled => (10, 60),
            Self::ConnectionsCut => (40, 200),
            Self::ServerRestarted | Self::ServerCrashed => (300, 1500),
            Self::Mixed => (50, 300),
            _ => (100, 800),
        }
    }

    /// Happens once, and is over at the end.
    pub(super) async fn strike(self, stage: &Stage, random: &mut Random) {
        let long = stage.long;
        let for_a_while = |random: &mut Random, short: (usize, usize), longer: (usize, usize)| {
            let (from, to) = if long { longer } else { short };
            Duration::from_millis((from + random.below(to - from)).try_into().unwrap_or(1000))
        };
        match self {
            Self::None => {}
            Self::BackendsKilled => terminate(stage, 1 + random.below(3)).await,
            Self::ServerRestarted => stage.restart("fast").await,
            Self::ServerCrashed => stage.restart("immediate").await,
            Self::ServerStopped => {
                let backends = backends(stage).await;
                // One may have ended meanwhile.
                for process in &backends {
                    signal::send(*process, Signal::SIGSTOP);
                }
                sleep(for_a_while(random, (200, 3900), (500, 12_000))).await;
                if random.below(2) == 0 {
                    stage.wires().for_each(Proxy::cut);
                    sleep(for_a_while(random, (100, 1500), (100, 3000))).await;
                }
                for process in &backends {
                    signal::send(*process, Signal::SIGCONT);
                }
            }
            Self::ConnectionsCut => stage.wires().for_each(Proxy::cut),
            Self::AnswersLost => stage.wires().for_each(|wire| wire.lose_answers(1)),
            Self::BlackHole => {
                stage.wires().for_each(Proxy::hold);
                sleep(for_a_while(random, (3300, 3900), (500, 12_000))).await;
                if random.below(2) == 0 {
                    stage.wires().for_each(Proxy::cut);
                }
                stage.wires().for_each(Proxy::release);
            }
            Self::HalfOpen => {
                stage.wires().for_each(Proxy::sever);
                sleep(for_a_while(random, (200, 600), (500, 3000))).await;
                stage.wires().for_each(Proxy::cut_severed);
            }
            Self::Latency => {
                let delay = Duration::from_millis(if long { 1000 } else { 250 });
                stage.wires().for_each(|wire| wire.delay(delay));
                sleep(for_a_while(random, (500, 1000), (3000, 6000))).await;
                stage.wires().for_each(|wire| wire.delay(Duration::ZERO));
            }
            Self::DiskFull => {
                let Some(filler) = stage.filler() else { return };
                fill(&filler);
                sleep(for_a_while(random, (200, 800), (300, 2000))).await;
                // It is there unless the disk had no room for even that.
                let _ = fs::remove_file(&filler);
            }
            Self::TooManyConnections => {
                let name = stage.database.name();
                stage.run(&format!("ALTER DATABASE {name} CONNECTION LIMIT 3")).await;
                terminate(stage, 1000).await;
                sleep(for_a_while(random, (200, 1000), (500, 3000))).await;
                stage.run(&format!("ALTER DATABASE {name} CONNECTION LIMIT -1")).await;
            }
            Self::PoolerRestarted => {
                let Some((pooler, _)) = &stage.pooled else { return };
                pooler.stop().await;
                sleep(for_a_while(random, (10, 300), (10, 1000))).await;
                pooler.start().await;
            }
            Self::FunctionsKilled => stage.fleets.iter().for_each(|fleet| fleet.kill_one(random)),
            Self::Frozen => freeze(stage, random).await,
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
                    .filter(|fault| fault.impossible(stage).is_none())
                    .collect();
                Box::pin(random.pick(&all).strike(stage, random)).await;
            }
        }
    }

    /// Undoes whatever a fault left behind.
    pub(super) async fn heal(stage: &Stage) {
        for wire in stage.wires() {
            wire.lose_answers(0);
            wire.delay(Duration::ZERO);
            wire.release();
            wire.cut_severed();
        }
        stage.run(&format!("ALTER DATABASE {} CONNECTION LIMIT -1", stage.database.name())).await;
    }
}

/// Terminates so many backends, those that run a statement first.
async fn terminate(stage: &Stage, count: usize) {
    let sql = format!(
        "SELECT pg_terminate_backend(pid) FROM (
            SELECT pid FROM pg_stat_activity
            WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'
                AND usename = current_database()
            ORDER BY state = 'active' DESC, random() LIMIT {count}
        ) AS chosen"
    );
    stage.run(&sql).await;
}

/// The processes of the server that work for functions.
async fn backends(stage: &Stage) -> Vec<u32> {
    let sql = "SELECT pid FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'
            AND usename = current_database()";
    let rows = stage.superuser().await.query(sql, &[]).await.unwrap_or_default();
    rows.iter().filter_map(|row| row.get::<_, i32>(0).try_into().ok()).collect()
}

/// What Lambda does between requests: the environments stand still, and their connections go.
async fn freeze(stage: &Stage, random: &mut Random) {
    let closed = stage.gate.write().await;
    stage.wires().for_each(Proxy::cut_severed);
    for fleet in &stage.fleets {
        fleet.signal(Signal::SIGSTOP);
    }
    if stage.long && random.below(2) == 0 {
        // Nobody is told, and every environment has to find out for itself.
        stage.wires().for_each(Proxy::sever);
    } else {
        terminate(stage, 1000).await;
        stage.wires().for_each(Proxy::cut);
    }
    // Longer than what a connection may be idle without being looked at, or not as long.
    let seconds = if stage.long { *random.pick(&[65, 5]) } else { 1 };
    sleep(Duration::from_secs(seconds)).await;
    for fleet in &stage.fleets {
        fleet.signal(Signal::SIGCONT);
    }
    drop(closed);
}

/// Writes until there is no more room.
fn fill(filler: &Path) {
    let Ok(mut file) = fs::File::create(filler) else { return };
    // The last bytes one page at a time, so that none is left for the server.
    for block in [vec![0; 256 * 1024], vec![0; 4096]] {
        while file.write_all(&block).is_ok() {}
    }
}

/// The file that the functions' clock follows.
pub(super) fn clock() -> std::path::PathBuf {
    std::env::temp_dir().join(format!("faults-clock-{}", std::process::id()))
}

/// Sets the functions' clock to so many seconds from the real one.
pub(super) fn step_clock(offset: &str) {
    let next = clock().with_extension("next");
    fs::write(&next, format!("{offset}\n")).and_then(|()| fs::rename(&next, clock())).expect("the clock's file");
}

/// The library that steps a process's clock.
pub(super) fn faketime() -> Option<std::path::PathBuf> {
    let folders = fs::read_dir("/usr/lib").ok()?.flatten().map(|entry| entry.path().join("faketime"));
    folders.map(|folder| folder.join("libfaketime.so.1")).find(|library| library.exists())
}
