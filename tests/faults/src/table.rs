//! What is printed.

use std::time::Duration;

use devtools::ui::print;

use crate::check::Verdict;

/// How many answers there were.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Tally {
    /// Requests sent.
    pub(crate) requests: usize,
    /// 2xx and 304.
    pub(crate) successes: usize,
    /// 4xx.
    pub(crate) refusals: usize,
    /// 5xx.
    pub(crate) failures: usize,
    /// No answer.
    pub(crate) unanswered: usize,
    /// The longest time from request to answer.
    pub(crate) longest: Duration,
}

impl Tally {
    /// Adds the counts of another client or round.
    pub(crate) fn add(&mut self, other: &Self) {
        self.requests += other.requests;
        self.successes += other.successes;
        self.refusals += other.refusals;
        self.failures += other.failures;
        self.unanswered += other.unanswered;
        self.longest = self.longest.max(other.longest);
    }
}

/// What came of a fault.
pub(crate) struct Round {
    pub(crate) name: &'static str,
    pub(crate) injected: usize,
    pub(crate) took: Duration,
    pub(crate) tally: Tally,
    pub(crate) verdict: Verdict,
    /// Answers that did not come within the function's timeout.
    pub(crate) late: usize,
}

/// How many findings of a kind are shown in full.
const SHOWN: usize = 5;

/// Prints the names of the columns.
pub(crate) fn header() {
    print(format!(
        "{:<22} {:>8} {:>8} {:>7} {:>6} {:>6} {:>7} {:>10} {:>7} {:>5} {:>7} {:>5} {:>6}",
        "fault",
        "injected",
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
    ));
}

impl Round {
    fn bad(&self) -> usize {
        let Verdict { lost, doubled, late, wrong } = &self.verdict;
        lost.len() + doubled.len() + late.len() + wrong.len() + self.late
    }

    /// Prints its line.
    pub(crate) fn print(&self) {
        print(format!(
            "{:<22} {:>8} {:>8} {:>7} {:>6} {:>6} {:>7} {:>10} {:>7.1} {:>5} {:>7} {:>5} {:>6}",
            self.name,
            self.injected,
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
        ));
    }
}

/// Prints the sums and the findings, and answers whether everything was as promised.
pub(crate) fn conclusion(rounds: &[Round], seed: u64) -> bool {
    let mut all = Tally::default();
    for round in rounds {
        all.add(&round.tally);
    }
    print(format!(
        "\n{} requests: {} 2xx, {} 4xx, {} 5xx, {} without an answer",
        all.requests, all.successes, all.refusals, all.failures, all.unanswered
    ));
    for round in rounds {
        let Verdict { lost, doubled, late, wrong } = &round.verdict;
        for (kind, findings) in [("lost", lost), ("doubled", doubled), ("late", late), ("wrong", wrong)] {
            for finding in findings.iter().take(SHOWN) {
                print(format!("\n{}, {kind}: {finding}", round.name));
            }
            if findings.len() > SHOWN {
                print(format!("\n{}, {kind}: and {} more", round.name, findings.len() - SHOWN));
            }
        }
    }
    let failed = rounds.iter().filter(|round| round.bad() > 0).count();
    if failed > 0 {
        print(format!("\nRepeat it with --seed {seed}."));
    }
    print(format!("\n{} passed, {failed} failed", rounds.len() - failed));
    failed == 0
}
