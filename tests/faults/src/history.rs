//! The changes of one task, and the operations that made them.

use std::collections::HashMap;

use crate::record::{Action, Change, Image, Version};

/// What happened to one task.
#[derive(Default)]
pub(crate) struct History<'a> {
    changes: Vec<&'a Change>,
    /// Which change led to a version.
    at: HashMap<Version, usize>,
    /// Which changes have been matched with an operation.
    taken: Vec<bool>,
    explanations: Vec<Explanation>,
}

/// An operation that may have made a change beside the one that was acknowledged.
#[derive(Debug)]
pub(crate) struct Explanation {
    action: Action,
    client: usize,
    /// The last change that the client knew when it sent the operation.
    after: Option<usize>,
    /// The next acknowledged change of the same client. If the operation was acknowledged too, it must not be done a
    /// second time after that change, since it would undo it.
    before: Option<usize>,
    /// Whether it was never acknowledged.
    unknown: bool,
    /// Whether it explains only changes that left the task as it was.
    idle_only: bool,
}

impl Explanation {
    /// The changes that an operation may explain beside the acknowledged one. A repeatable one may have been done
    /// twice.
    pub(crate) fn of(action: &Action, client: usize, after: Option<usize>, unknown: bool) -> Vec<Self> {
        let repeatable = matches!(action, Action::Update { guard: None, .. } | Action::Set { .. });
        let one = |idle_only| Self { action: action.clone(), client, after, before: None, unknown, idle_only };
        match (unknown, repeatable) {
            (true, true) => vec![one(false), one(true)],
            (true, false) | (false, true) => vec![one(false)],
            (false, false) => Vec::new(),
        }
    }

    fn fits(&self, at: usize, change: &Change) -> bool {
        if self.after.is_some_and(|after| at <= after) || !is_made_by(change, &self.action) {
            return false;
        }
        let idle = change.old.as_ref().zip(change.new.as_ref()).is_some_and(|(old, new)| same(old, new));
        idle || !self.idle_only && (self.unknown || self.before.is_none_or(|before| at < before))
    }
}

impl<'a> History<'a> {
    pub(crate) fn push(&mut self, change: &'a Change) {
        if let Some(image) = &change.new {
            self.at.insert(image.version, self.changes.len());
        }
        // `check` matches the change that created the task by its title.
        self.taken.push(change.old.is_none());
        self.changes.push(change);
    }

    pub(crate) fn position(&self, version: Version) -> Option<usize> {
        self.at.get(&version).copied()
    }

    /// Matches the change that led to a version with an operation; `None` when the operation cannot have made it.
    pub(crate) fn take(&mut self, version: Version, action: &Action) -> Option<usize> {
        let at = self.position(version)?;
        if self.taken[at] || !is_made_by(self.changes[at], action) {
            return None;
        }
        self.taken[at] = true;
        Some(at)
    }

    /// Matches the deletion with an operation; `None` when there is none, or it is taken.
    pub(crate) fn take_deletion(&mut self) -> Option<usize> {
        let at = self.changes.iter().position(|change| change.new.is_none())?;
        (!std::mem::replace(&mut self.taken[at], true)).then_some(at)
    }

    /// Whether a version was replaced by another, or deleted.
    pub(crate) fn was_replaced(&self, version: Version) -> bool {
        self.changes.iter().any(|change| change.old.as_ref().is_some_and(|old| old.version == version))
    }

    /// Whether the task had this state as of a version.
    pub(crate) fn shows(&self, version: Version, completed: bool) -> bool {
        let image = self.position(version).and_then(|at| self.changes[at].new.as_ref());
        image.is_some_and(|image| image.completed == completed)
    }

    pub(crate) fn explain(&mut self, explanations: Vec<Explanation>) {
        self.explanations.extend(explanations);
    }

    /// Notes that a write of a client was acknowledged: from there on its earlier writes must not be repeated.
    pub(crate) fn acknowledged(&mut self, client: usize, at: usize) {
        let open = |explanation: &&mut Explanation| explanation.client == client && explanation.before.is_none();
        for explanation in self.explanations.iter_mut().filter(open) {
            explanation.before = Some(at);
        }
    }

    /// The changes that no operation explains. Each operation explains at most one.
    pub(crate) fn unexplained(&self) -> Vec<&'a Change> {
        let mut explained: Vec<Option<usize>> = vec![None; self.explanations.len()];
        let open = (0..self.changes.len()).filter(|at| !self.taken[*at]);
        open.filter(|at| !self.assign(*at, &mut explained, &mut vec![false; self.explanations.len()]))
            .map(|at| self.changes[at])
            .collect()
    }

    /// Finds an explanation for a change. If all that fit are taken, another change may have to take another one: this
    /// looks for an augmenting path of a bipartite matching.
    fn assign(&self, at: usize, explained: &mut [Option<usize>], tried: &mut [bool]) -> bool {
        for (index, explanation) in self.explanations.iter().enumerate() {
            if tried[index] || !explanation.fits(at, self.changes[at]) {
                continue;
            }
            tried[index] = true;
            let other = explained[index];
            if other.is_none_or(|other| self.assign(other, explained, tried)) {
                explained[index] = Some(at);
                return true;
            }
        }
        false
    }
}

/// Whether an operation makes this change when it is done once.
fn is_made_by(change: &Change, action: &Action) -> bool {
    match (action, &change.old, &change.new) {
        (Action::Update { title, guard, number, .. }, Some(old), Some(new)) => {
            new.title == *title
                && new.completed == old.completed
                && guard.is_none_or(|guard| guard == old.version)
                && number.is_none_or(|number| new.description.as_ref() == Some(&number.to_string()))
        }
        (Action::Toggle { .. }, Some(old), Some(new)) => new.title == old.title && new.completed != old.completed,
        (Action::Set { completed, .. }, Some(old), Some(new)) => new.title == old.title && new.completed == *completed,
        (Action::Delete { .. }, Some(_), None) => true,
        _ => false,
    }
}

fn same(old: &Image, new: &Image) -> bool {
    (&old.title, &old.description, old.completed) == (&new.title, &new.description, new.completed)
}
