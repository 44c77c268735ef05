//! Cold starts: from the moment before a process is started to its first answer. On Lambda, AWS takes time before that
//! to fetch the zip and to start the environment.

use anyhow::Result;
use devtools::ui::bar;

use crate::{
    Plan,
    process::Process,
    stats::{Shuffle, median},
    subject::Subject,
    warm::micros,
};

/// How many calls follow the first one before the memory is read.
const CALLS: usize = 20;

/// The cold starts of a subject.
#[derive(Default)]
pub(crate) struct Cold {
    /// Each of them, in microseconds.
    pub(crate) starts: Vec<f64>,
    /// The median of each block.
    pub(crate) blocks: Vec<f64>,
    /// The most memory that a process had, in kibibytes.
    pub(crate) peak_memory: u64,
}

/// How many calls each subject gets.
pub(crate) fn calls(plan: &Plan) -> usize {
    plan.blocks * (plan.spawns + CALLS)
}

/// Starts each subject once in turn, over and over.
pub(crate) async fn measure(subjects: &mut [Subject], plan: &Plan) -> Result<Vec<Cold>> {
    let mut results: Vec<Cold> = subjects.iter().map(|_| Cold::default()).collect();
    let mut shuffle = Shuffle::new();
    let bar = bar("Cold starts", plan.blocks);
    for _ in 0..plan.blocks {
        bar.inc(1);
        let mut block = vec![Vec::with_capacity(plan.spawns); subjects.len()];
        for spawn in 0..plan.spawns {
            for index in shuffle.order(subjects.len()) {
                let (Some(subject), Some(starts), Some(result)) =
                    (subjects.get_mut(index), block.get_mut(index), results.get_mut(index))
                else {
                    continue;
                };
                let mut process = Process::start(&subject.launch).await?;
                let call = subject.call(&mut process).await?;
                starts.push(micros(call.answered - process.started()));
                if spawn == 0 {
                    for _ in 0..CALLS {
                        subject.call(&mut process).await?;
                    }
                    result.peak_memory = result.peak_memory.max(process.peak_memory()?);
                }
                process.stop().await?;
            }
        }
        for (result, starts) in results.iter_mut().zip(block) {
            result.blocks.push(median(&starts));
            result.starts.extend(starts);
        }
    }
    Ok(results)
}
