//! Warm calls: every subject once in turn, over and over, in an order that changes.

use super::{
    Plan,
    process::Process,
    stats::{Shuffle, median},
    subject::Subject,
};
use crate::ui::Failure;

/// Calls of a new process before anything is measured.
const WARM_UP: usize = 30;

/// What the calls of a subject took. Times are in microseconds.
#[derive(Default)]
pub(super) struct Warm {
    /// Each call.
    pub(super) calls: Vec<f64>,
    /// The median of each block.
    pub(super) blocks: Vec<f64>,
    /// CPU time per call in each block.
    pub(super) cpu: Vec<f64>,
    /// The most memory that one of its processes had, in kibibytes.
    pub(super) peak_memory: u64,
}

/// How many calls each subject gets.
pub(super) fn calls(plan: &Plan) -> usize {
    plan.blocks * (WARM_UP + plan.rounds)
}

/// Measures in blocks. Each has processes of its own, as one that is placed luckily in memory
/// stays lucky.
pub(super) async fn measure(subjects: &mut [Subject], plan: &Plan) -> Result<Vec<Warm>, Failure> {
    let mut results: Vec<Warm> = subjects.iter().map(|_| Warm::default()).collect();
    let mut shuffle = Shuffle::new();
    for _ in 0..plan.blocks {
        let mut processes = Vec::new();
        for subject in &mut *subjects {
            let mut process = Process::start(&subject.launch).await?;
            for _ in 0..WARM_UP {
                subject.call(&mut process).await?;
            }
            processes.push((process.cpu()?, process));
        }
        let mut block = vec![Vec::with_capacity(plan.rounds); subjects.len()];
        for _ in 0..plan.rounds {
            for index in shuffle.order(subjects.len()) {
                if let (Some(subject), Some((_, process)), Some(calls)) =
                    (subjects.get_mut(index), processes.get_mut(index), block.get_mut(index))
                {
                    calls.push(micros(subject.call(process).await?.took));
                }
            }
        }
        for ((result, calls), (cpu_before, process)) in results.iter_mut().zip(block).zip(processes) {
            #[allow(clippy::cast_precision_loss)]
            result.cpu.push(micros(process.cpu()?.saturating_sub(cpu_before)) / plan.rounds as f64);
            result.peak_memory = result.peak_memory.max(process.peak_memory()?);
            result.blocks.push(median(&calls));
            result.calls.extend(calls);
            process.stop().await?;
        }
    }
    Ok(results)
}

/// A duration in microseconds.
pub(super) fn micros(duration: std::time::Duration) -> f64 {
    duration.as_secs_f64() * 1e6
}
