//! What is printed.

use std::time::Duration;

use super::check::Verdict;

/// How many answers there were.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Tally {
    /// Requests sent.
    pub(super) requests: usize,
    /// 2xx and 304.
    pub(super) successes: usize,
    /// 4xx.
    pub(super) refusals: usize,
    /// 5xx.
    pub(super) failures: usize,
    /// No answer.
    pub(super) unanswered: usize,
    /// The longest time from request to answer.
    pub(super) longest: Duration,
}

impl Tally {
    /// Adds another's.
    pub(super) fn add(&mut self, other: &Self) {
        self.requests += other.requests;
        self.successes += other.successes;
        self.refusals += other.refusals;
        self.failures += other.failures;
        self.unanswered += other.unanswered;
        self.longest = self.longest.max(other.longest);
    }
}

/// What came of a fault.
pub(super) struct Round {
    pub(super) name: &'static str,
    pub(super) strikes: usize,
    pub(super) took: Duration,
    pub(super) tally: Tally,
    pub(super) verdict: Verdict,
    /// Answers that did not come within the function's timeout.
    pub(super) late: usize,
}

/// How many findings of a kind are shown in full.
const SHOWN: usize = 5;

/// Prints what the columns are.
pub(super) fn header() {
    println!(
        "{:<22} {:>7} {:>8} {:>7} {:>6} {:>6} {:>7} {:>10} {:>7} {:>5} {:>7} {:>5} {:>6}",
        "fault",
        "strikes",
        "requests",
        "2xx",
        "4xx",
        "5xx",
        "unknown",
        "longest ms",
        "s",
        "lost",
        "doubled",
        "late",
        "wrong"
    );
}

impl Round {
    fn bad(&self) -> usize {
        let Verdict { lost, doubled, late, wrong } = &self.verdict;
        lost.len() + doubled.len() + late.len() + wrong.len() + self.late
    }

    /// Prints its line.
    pub(super) fn print(&self) {
        println!(
            "{:<22} {:>7} {:>8} {:>7} {:>6} {:>6} {:>7} {:>10} {:>7.1} {:>5} {:>7} {:>5} {:>6}",
            self.name,
            self.strikes,
            self.tally.requests,
            self.tally.successes,
            self.tally.refusals,
            self.tally.failures,
            self.tally.unanswered,
            self.tally.longest.as_millis(),
            self.took.as_secs_f64(),
            self.verdict.lost.len(),
            self.verdict.doubled.len(),
            self.late + self.verdict.late.len(),
            self.verdict.wrong.len(),
        );
    }
}

/// Prints the sum and what is not as promised. Whether all is.
pub(super) fn conclusion(rounds: &[Round], seed: u64) -> bool {
    let mut all = Tally::default();
    for round in rounds {
        all.add(&round.tally);
    }
    println!(
        "\n{} requests: {} 2xx, {} 4xx, {} 5xx, {} without an answer",
        all.requests, all.successes, all.refusals, all.failures, all.unanswered
    );
    for round in rounds {
        let Verdict { lost, doubled, late, wrong } = &round.verdict;
        for (kind, findings) in [("lost", lost), ("doubled", doubled), ("late", late), ("wrong", wrong)] {
            for finding in findings.iter().take(SHOWN) {
                println!("\n{}, {kind}: {finding}", round.name);
            }
            if findings.len() > SHOWN {
                println!("\n{}, {kind}: and {} more", round.name, findings.len() - SHOWN);
            }
        }
    }
    let failed = rounds.iter().filter(|round| round.bad() > 0).count();
    if failed > 0 {
        println!("\nRepeat it with --seed {seed}.");
    }
    println!("\n{} passed, {failed} failed", rounds.len() - failed);
    failed == 0
}
