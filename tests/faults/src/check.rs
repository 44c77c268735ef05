//! The checker: compares what clients were told with what the database says.
//!
//! The database has an acknowledged write once and a refused write not at all. When the client does not know the
//! outcome, the database has the write once or not at all, and not before the request. A write that does no harm when
//! it is repeated (PUT without a guard, setting `completed`) may have been done twice, as long as the second time does
//! not undo a write that was acknowledged later. A read shows at least what its client knew.

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::{
    history::{Explanation, History},
    record::{Action, Change, Evidence, Image, Op, Outcome, Seen, Version},
};

/// What is not as it was promised: a sentence for each finding.
#[derive(Debug, Default)]
pub(crate) struct Verdict {
    /// Writes that were acknowledged and are missing, or were overwritten by a client that had not seen them, or that a
    /// read did not show.
    pub(crate) lost: Vec<String>,
    /// Writes that were done more often than clients asked for.
    pub(crate) doubled: Vec<String>,
    /// Writes that were done after their client had been told that they were not.
    pub(crate) late: Vec<String>,
    /// Everything else that must not happen.
    pub(crate) wrong: Vec<String>,
}

/// Compares the operations of the clients with the database. The operations of one client are in their order in time.
pub(crate) fn check(ops: &[Op], evidence: &Evidence) -> Verdict {
    let mut verdict = Verdict::default();
    replay(evidence, &mut verdict);
    creations(ops, evidence, &mut verdict);
    let mut histories: BTreeMap<i64, History> = BTreeMap::new();
    for change in &evidence.changes {
        histories.entry(change.task).or_default().push(change);
    }
    let clients: Vec<usize> = ops.iter().map(|op| op.client).collect::<HashSet<_>>().into_iter().collect();
    let deleted: HashSet<i64> = ops
        .iter()
        .filter_map(|op| match op.action {
            Action::Delete { task } => Some(task),
            _ => None,
        })
        .collect();
    for client in clients {
        let mut walk = Walk {
            histories: &mut histories,
            deleted: &deleted,
            verdict: &mut verdict,
            knows: HashMap::new(),
            unlisted: HashSet::new(),
        };
        for op in ops.iter().filter(|op| op.client == client) {
            walk.step(op);
        }
    }
    for (task, history) in &histories {
        for change in history.unexplained() {
            verdict.doubled.push(format!("task {task}: nobody's change, or one too many: {change:?}"));
        }
    }
    refusals(ops, evidence, &mut verdict);
    late(ops, evidence, &mut verdict);
    counters(ops, evidence, &mut verdict);
    verdict
}

/// Applies the changes one after the other: they must lead to the rows, or the list of changes is not complete.
fn replay(evidence: &Evidence, verdict: &mut Verdict) {
    let mut rows: BTreeMap<i64, &Image> = BTreeMap::new();
    for change in &evidence.changes {
        if rows.get(&change.task).copied() != change.old.as_ref() {
            verdict.lost.push(format!("task {}: something is missing before {change:?}", change.task));
        }
        match &change.new {
            Some(image) => drop(rows.insert(change.task, image)),
            None => drop(rows.remove(&change.task)),
        }
    }
    for (task, image) in &evidence.tasks {
        if rows.remove(task) != Some(image) {
            verdict.wrong.push(format!("task {task}: the row is not what its changes made it: {image:?}"));
        }
    }
    for (task, image) in rows {
        verdict.lost.push(format!("task {task}: the row is gone: {image:?}"));
    }
}

fn creations(ops: &[Op], evidence: &Evidence, verdict: &mut Verdict) {
    let mut found: HashMap<&str, Vec<i64>> = HashMap::new();
    for change in &evidence.changes {
        if let Change { task, old: None, new: Some(image), .. } = change {
            found.entry(&image.title).or_default().push(*task);
        }
    }
    for op in ops {
        let Action::Create { title } = &op.action else { continue };
        let tasks = found.remove(title.as_str()).unwrap_or_default();
        if tasks.len() > 1 {
            verdict.doubled.push(format!("{title}: created as {tasks:?}"));
        }
        match &op.outcome {
            Outcome::Done(seen) if !tasks.contains(&seen.task) => {
                verdict.lost.push(format!("{title}: acknowledged as task {}, found as {tasks:?}", seen.task));
            }
            Outcome::Refused(status) if !tasks.is_empty() => {
                verdict.wrong.push(format!("{title}: refused with {status}, and there as {tasks:?}"));
            }
            _ => {}
        }
    }
    for (title, tasks) in found {
        verdict.wrong.push(format!("{title}: nobody asked for it, and it is there as {tasks:?}"));
    }
}

/// A title that was refused must not be in the database.
fn refusals(ops: &[Op], evidence: &Evidence, verdict: &mut Verdict) {
    let written: HashSet<&str> =
        evidence.changes.iter().filter_map(|change| Some(change.new.as_ref()?.title.as_str())).collect();
    for op in ops {
        if let (Action::Update { title, .. }, Outcome::Refused(status)) = (&op.action, &op.outcome)
            && written.contains(title.as_str())
        {
            verdict.wrong.push(format!("{title}: refused with {status}, and written"));
        }
    }
}

/// When a write was answered with 503, its title must be written before that answer, or never.
fn late(ops: &[Op], evidence: &Evidence, verdict: &mut Verdict) {
    let mut told = HashMap::new();
    for op in ops {
        if let (Action::Update { title, .. } | Action::Create { title }, Some(at)) = (&op.action, op.unavailable_at) {
            told.insert(title.as_str(), at);
        }
    }
    for change in &evidence.changes {
        let Some(new) = &change.new else { continue };
        let is_written = change.old.as_ref().is_none_or(|old| old.title != new.title);
        if let Some(at) = told.get(new.title.as_str()).filter(|at| is_written && change.at > **at) {
            verdict.late.push(format!("{}: answered with 503 at {at}, and written at {}", new.title, change.at));
        }
    }
}

/// Each number of a counter was acknowledged once, and the counter has the largest of them or more.
fn counters(ops: &[Op], evidence: &Evidence, verdict: &mut Verdict) {
    let mut given: HashMap<i64, HashSet<u64>> = HashMap::new();
    for op in ops {
        if let (Action::Update { task, number: Some(number), .. }, Outcome::Done(_)) = (&op.action, &op.outcome)
            && !given.entry(*task).or_default().insert(*number)
        {
            verdict.doubled.push(format!("counter {task}: {number} was acknowledged twice"));
        }
    }
    for (task, numbers) in given {
        let last = evidence.tasks.get(&task).and_then(|image| image.description.as_ref()?.parse::<u64>().ok());
        if last < numbers.iter().max().copied() {
            verdict.lost.push(format!("counter {task}: {:?} was acknowledged, it says {last:?}", numbers.iter().max()));
        }
    }
}

/// Goes through the operations of one client.
struct Walk<'a, 'b> {
    histories: &'b mut BTreeMap<i64, History<'a>>,
    /// The tasks that some client asked to delete.
    deleted: &'b HashSet<i64>,
    verdict: &'b mut Verdict,
    /// The last change that the client knows, by task.
    knows: HashMap<i64, usize>,
    /// The tasks that this client asked to delete.
    unlisted: HashSet<i64>,
}

impl Walk<'_, '_> {
    fn step(&mut self, op: &Op) {
        match (&op.action, &op.outcome) {
            (Action::List, Outcome::Listed(seen)) => self.listed(seen),
            (Action::List, _) | (Action::Create { .. }, Outcome::Refused(_) | Outcome::Unknown) => {}
            // `creations` has reported the task that is not there at all.
            (Action::Create { .. }, Outcome::Done(seen)) if !self.histories.contains_key(&seen.task) => {}
            (Action::Create { .. } | Action::Get { .. }, Outcome::Done(seen)) => self.saw(*seen),
            (
                Action::Update { task, .. }
                | Action::Toggle { task }
                | Action::Set { task, .. }
                | Action::Delete { task }
                | Action::Get { task },
                _,
            ) => self.touched(*task, op),
            (Action::Create { .. }, _) => self.verdict.wrong.push(format!("no answer to that: {op:?}")),
        }
    }

    fn touched(&mut self, task: i64, op: &Op) {
        if matches!(op.action, Action::Delete { .. }) {
            self.unlisted.insert(task);
        }
        let after = self.knows.get(&task).copied();
        match &op.outcome {
            Outcome::Done(seen) => self.acknowledged(*seen, op, after),
            Outcome::Deleted => match self.histories.get_mut(&task).and_then(History::take_deletion) {
                Some(at) => drop(self.knows.insert(task, at)),
                None => self.verdict.lost.push(format!("task {task}: its deletion was acknowledged")),
            },
            Outcome::Unknown => self.explain(task, op, after, true),
            Outcome::Refused(404) => {
                if after.is_some() && !self.deleted.contains(&task) {
                    self.verdict.lost.push(format!("task {task}: is there, and {op:?}"));
                }
            }
            Outcome::Refused(412) => {
                let Action::Update { guard: Some(guard), .. } = &op.action else { return };
                if !self.histories.get(&task).is_some_and(|history| history.was_replaced(*guard)) {
                    self.verdict.wrong.push(format!("task {task}: nothing was newer, and {op:?}"));
                }
            }
            Outcome::Refused(_) | Outcome::Listed(_) => {}
        }
    }

    /// Notes that an operation may explain a change beside the acknowledged one.
    fn explain(&mut self, task: i64, op: &Op, after: Option<usize>, unknown: bool) {
        if let Some(history) = self.histories.get_mut(&task) {
            history.explain(Explanation::of(&op.action, op.client, after, unknown));
        }
    }

    /// Finds the change that an acknowledged write made, by the version in its answer.
    fn acknowledged(&mut self, seen: Seen, op: &Op, after: Option<usize>) {
        let Seen { task, version } = seen;
        let history = self.histories.entry(task).or_default();
        let Some(at) = history.take(version, &op.action) else {
            if let Action::Set { completed, .. } = op.action
                && history.shows(version, completed)
            {
                // The task was already in that state, so nothing was written.
                return self.saw(seen);
            }
            self.verdict.lost.push(format!("task {task}: not in its history: {op:?}"));
            return;
        };
        if after.is_some_and(|after| at <= after) {
            self.verdict.lost.push(format!("task {task}: acknowledged in the wrong order: {op:?}"));
        }
        history.acknowledged(op.client, at);
        self.knows.insert(task, at);
        self.explain(task, op, after, false);
    }

    fn saw(&mut self, seen: Seen) {
        let Seen { task, version } = seen;
        match self.position(task, version) {
            Some(at) if self.knows.get(&task).is_some_and(|known| at < *known) => {
                self.verdict.lost.push(format!("task {task}: shown as of {version}, which its client knew to be old"));
            }
            Some(at) => drop(self.knows.insert(task, at)),
            None => self.verdict.lost.push(format!("task {task}: shown as of {version}, which never was")),
        }
    }

    fn listed(&mut self, listed: &[Seen]) {
        let shown: HashSet<i64> = listed.iter().map(|seen| seen.task).collect();
        for task in self.knows.keys().filter(|task| !self.unlisted.contains(task) && !shown.contains(task)) {
            self.verdict.lost.push(format!("task {task}: not in a list"));
        }
        for seen in listed {
            self.saw(*seen);
        }
    }

    fn position(&self, task: i64, version: Version) -> Option<usize> {
        self.histories.get(&task)?.position(version)
    }
}

#[cfg(test)]
mod tests;
