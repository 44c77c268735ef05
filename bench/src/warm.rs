//! Warm calls: every subject once in turn, over and over, in an order that changes.

use std::time::Duration;

use crate::{
    Plan,
    data::Database,
    process::{Process, cpu_of},
    stats::{Shuffle, median},
    subject::Subject,
};
use anyhow::Result;
use devtools::ui::bar;

/// Calls of a new process before anything is measured.
const WARM_UP: usize = 30;

/// What the calls of a subject took. Times are in microseconds.
#[derive(Default)]
pub(crate) struct Warm {
    /// Each call.
    pub(crate) calls: Vec<f64>,
    /// The median of each block.
    pub(crate) blocks: Vec<f64>,
    /// CPU time per call in each block.
    pub(crate) cpu: Vec<f64>,
    /// The same of the database's process at the other end of the connection; none without one.
    pub(crate) server_cpu: Vec<f64>,
    /// The most memory that one of its processes had, in kibibytes.
    pub(crate) peak_memory: u64,
}

/// How many calls each subject gets.
pub(crate) fn calls(plan: &Plan) -> usize {
    plan.blocks * (WARM_UP + plan.rounds)
}

/// Measures in blocks. Each has processes of its own, as the place of a process in memory makes it faster or slower for
/// as long as it runs.
pub(crate) async fn measure(subjects: &mut [Subject], database: &Database, plan: &Plan) -> Result<Vec<Warm>> {
    let mut results: Vec<Warm> = subjects.iter().map(|_| Warm::default()).collect();
    let mut shuffle = Shuffle::new();
    let bar = bar("Warm calls", plan.blocks);
    for _ in 0..plan.blocks {
        bar.inc(1);
        let mut processes = Vec::new();
        for subject in &mut *subjects {
            let mut process = Process::start(&subject.launch).await?;
            for _ in 0..WARM_UP {
                subject.call(&mut process).await?;
            }
            let backend = database.backend(&subject.application_name).await?;
            processes.push((Cpu::now(&process, backend)?, backend, process));
        }
        let mut block = vec![Vec::with_capacity(plan.rounds); subjects.len()];
        for _ in 0..plan.rounds {
            for index in shuffle.order(subjects.len()) {
                if let (Some(subject), Some((_, _, process)), Some(calls)) =
                    (subjects.get_mut(index), processes.get_mut(index), block.get_mut(index))
                {
                    calls.push(micros(subject.call(process).await?.took));
                }
            }
        }
        for ((result, calls), (before, backend, process)) in results.iter_mut().zip(block).zip(processes) {
            let after = Cpu::now(&process, backend)?;
            #[allow(clippy::cast_precision_loss)]
            let per_call = |after: Duration, before| micros(after.saturating_sub(before)) / plan.rounds as f64;
            result.cpu.push(per_call(after.own, before.own));
            result.server_cpu.extend(after.server.zip(before.server).map(|(after, before)| per_call(after, before)));
            result.peak_memory = result.peak_memory.max(process.peak_memory()?);
            result.blocks.push(median(&calls));
            result.calls.extend(calls);
            process.stop().await?;
        }
    }
    Ok(results)
}

/// The CPU time that a process and the database's at the other end have used so far.
struct Cpu {
    own: Duration,
    server: Option<Duration>,
}

impl Cpu {
    fn now(process: &Process, backend: Option<u32>) -> Result<Self> {
        Ok(Self { own: process.cpu()?, server: backend.map(cpu_of).transpose()? })
    }
}

/// A duration in microseconds.
pub(crate) fn micros(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e6
}
