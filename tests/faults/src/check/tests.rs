//! The checker of the fault suite: it has to find what is lost and what is doubled, and to accept
//! whatever an honest database does.

use super::{Verdict, check};
use crate::record::{Action, Change, Evidence, Image, Op, Outcome, Seen, Version};

const TASK: i64 = 7;

fn at(microsecond: u32) -> Version {
    Version::from_timestamp_micros(1_800_000_000_000_000 + i64::from(microsecond)).unwrap()
}

fn image(title: &str, completed: bool, version: u32) -> Image {
    Image { title: title.into(), description: None, completed, version: at(version) }
}

fn update(title: &str) -> Action {
    Action::Update { task: TASK, title: title.into(), guard: None, number: None }
}

fn guarded(title: &str, guard: u32) -> Action {
    Action::Update { task: TASK, title: title.into(), guard: Some(at(guard)), number: None }
}

fn done(version: u32) -> Outcome {
    Outcome::Done(Seen { task: TASK, version: at(version) })
}

const TOGGLE: Action = Action::Toggle { task: TASK };
const ON: Action = Action::Set { task: TASK, completed: true };
const DELETE: Action = Action::Delete { task: TASK };
const GET: Action = Action::Get { task: TASK };

/// A client that created the task as `a` at version 1 and went on like this, over a database where
/// the task went from image to image.
fn judge(then: &[(Action, Outcome)], images: &[Image]) -> Verdict {
    let create = (Action::Create { title: "a".into() }, done(1));
    let ops: Vec<_> =
        [create].iter().chain(then).map(|(action, outcome)| op(0, action.clone(), outcome.clone())).collect();
    check(&ops, &evidence(images, true))
}

fn op(client: usize, action: Action, outcome: Outcome) -> Op {
    Op { client, action, outcome, unavailable_at: None }
}

/// The history from `a` at version 1 through these images, and the row that is left unless it was
/// deleted.
fn evidence(images: &[Image], is_there: bool) -> Evidence {
    let all: Vec<_> = [image("a", false, 1)].into_iter().chain(images.iter().cloned()).collect();
    let mut changes = vec![Change { task: TASK, old: None, new: all.first().cloned(), at: at(1) }];
    changes.extend(all.windows(2).map(|pair| Change {
        task: TASK,
        old: Some(pair[0].clone()),
        new: Some(pair[1].clone()),
        at: at(1),
    }));
    let last = all.last().unwrap().clone();
    if is_there {
        return Evidence { changes, tasks: [(TASK, last)].into() };
    }
    changes.push(Change { task: TASK, old: Some(last), new: None, at: at(1) });
    Evidence { changes, tasks: [].into() }
}

#[track_caller]
fn clean(verdict: &Verdict) {
    assert!(
        verdict.lost.is_empty() && verdict.doubled.is_empty() && verdict.late.is_empty() && verdict.wrong.is_empty(),
        "{verdict:#?}"
    );
}

#[track_caller]
fn finds(verdict: &Verdict, (lost, doubled, wrong): (usize, usize, usize)) {
    let found = (verdict.lost.len(), verdict.doubled.len(), verdict.wrong.len());
    assert_eq!(found, (lost, doubled, wrong), "{verdict:#?}");
}

/// A write that its client was told is not there, and that came afterwards.
#[test]
fn what_is_done_after_its_503_is_late() {
    let update = update("b");
    for (told, found) in [(2, 0), (0, 1)] {
        let mut ops =
            vec![op(0, Action::Create { title: "a".into() }, done(1)), op(0, update.clone(), Outcome::Unknown)];
        ops[1].unavailable_at = Some(at(told));
        let verdict = check(&ops, &evidence(&[image("b", false, 2)], true));
        assert_eq!((verdict.late.len(), verdict.wrong.len()), (found, 0), "{verdict:#?}");
    }
}

#[test]
fn what_was_acknowledged_and_is_there_is_in_order() {
    let ops = [
        (update("b"), done(2)),
        (TOGGLE, done(3)),
        (guarded("c", 3), done(4)),
        (ON, done(5)),
        (guarded("d", 3), Outcome::Refused(412)),
        (GET, done(5)),
        (Action::List, Outcome::Listed(vec![Seen { task: TASK, version: at(5) }])),
    ];
    clean(&judge(&ops, &[image("b", false, 2), image("b", true, 3), image("c", true, 4), image("c", true, 5)]));
}

#[test]
fn a_lost_write_is_found() {
    // A create, an update, a toggle, a deletion.
    let created = [op(0, Action::Create { title: "a".into() }, done(1))];
    finds(&check(&created, &Evidence::default()), (1, 0, 0));
    finds(&judge(&[(update("b"), done(2))], &[]), (1, 0, 0));
    finds(&judge(&[(TOGGLE, done(2))], &[]), (1, 0, 0));
    finds(&judge(&[(DELETE, Outcome::Deleted)], &[]), (1, 0, 0));
    // A row that its history says is there.
    finds(&check(&created, &Evidence { tasks: [].into(), ..evidence(&[], true) }), (1, 0, 0));
    // One that is not found although nobody deleted it.
    finds(&judge(&[(GET, Outcome::Refused(404))], &[]), (1, 0, 0));
    finds(&judge(&[(Action::List, Outcome::Listed(Vec::new()))], &[]), (1, 0, 0));
}

#[test]
fn a_doubled_write_is_found() {
    let twice = [op(0, Action::Create { title: "a".into() }, done(1))];
    let mut both = evidence(&[], true);
    both.changes.push(Change { task: 8, old: None, new: Some(image("a", false, 2)), at: at(1) });
    both.tasks.insert(8, image("a", false, 2));
    finds(&check(&twice, &both), (0, 1, 0));
    // A toggle that was done twice, acknowledged or not.
    let flips = [image("a", true, 2), image("a", false, 3)];
    finds(&judge(&[(TOGGLE, done(2))], &flips), (0, 1, 0));
    finds(&judge(&[(TOGGLE, done(3))], &flips), (0, 1, 0));
    finds(&judge(&[(TOGGLE, Outcome::Unknown)], &flips), (0, 1, 0));
    clean(&judge(&[(TOGGLE, Outcome::Unknown), (TOGGLE, Outcome::Unknown)], &flips));
    clean(&judge(&[(TOGGLE, Outcome::Unknown), (TOGGLE, done(3))], &flips));
    // With a guard, not even a copy that changes nothing.
    finds(&judge(&[(guarded("b", 1), done(2))], &[image("b", false, 2), image("b", false, 3)]), (0, 1, 0));
}

#[test]
fn what_was_refused_must_not_be_there() {
    finds(&judge(&[(TOGGLE, Outcome::Refused(404))], &[image("a", true, 2)]), (1, 1, 0));
    finds(&judge(&[(guarded("b", 1), Outcome::Refused(412))], &[image("b", false, 2)]), (0, 1, 1));
    finds(
        &check(&[op(0, Action::Create { title: "a".into() }, Outcome::Refused(422))], &evidence(&[], true)),
        (0, 0, 1),
    );
    // Nobody's task, and nobody's change.
    finds(&check(&[], &evidence(&[], true)), (0, 0, 1));
    finds(&judge(&[], &[image("b", false, 2)]), (0, 1, 0));
}

#[test]
fn an_unknown_write_is_there_once_or_not_at_all_and_as_late_as_it_likes() {
    for action in [update("b"), guarded("b", 1)] {
        clean(&judge(&[(action.clone(), Outcome::Unknown)], &[]));
        clean(&judge(&[(action, Outcome::Unknown)], &[image("b", false, 2)]));
    }
    // Later than what was acknowledged after it.
    let late = [image("c", false, 2), image("b", false, 3)];
    clean(&judge(&[(update("b"), Outcome::Unknown), (update("c"), done(2))], &late));
    // And not before it was asked for.
    finds(
        &judge(
            &[(update("c"), done(3)), (update("b"), Outcome::Unknown)],
            &[image("b", false, 2), image("c", false, 3)],
        ),
        (0, 1, 0),
    );
    // Twice, with something else in between.
    let again = [image("b", false, 2), image("c", false, 3), image("b", false, 4)];
    finds(&judge(&[(update("b"), Outcome::Unknown), (update("c"), done(3))], &again), (0, 1, 0));
    let unknown = [op(0, Action::Create { title: "a".into() }, Outcome::Unknown)];
    clean(&check(&unknown, &Evidence::default()));
    clean(&check(&unknown, &evidence(&[], true)));
    let deletion = [op(0, Action::Create { title: "a".into() }, done(1)), op(0, DELETE, Outcome::Unknown)];
    clean(&check(&deletion, &evidence(&[], true)));
    clean(&check(&deletion, &evidence(&[], false)));
}

#[test]
fn a_repetition_that_nobody_can_tell_is_none() {
    clean(&judge(&[(update("b"), done(3))], &[image("b", false, 2), image("b", false, 3)]));
    clean(&judge(&[(ON, done(3))], &[image("a", true, 2), image("a", true, 3)]));
    // Also when the first copy comes after the second, and nothing was acknowledged meanwhile.
    clean(&judge(&[(update("b"), done(2))], &[image("b", false, 2), image("b", false, 3)]));
    // A third one is one too many.
    let thrice = [image("b", false, 2), image("b", false, 3), image("b", false, 4)];
    finds(&judge(&[(update("b"), done(2))], &thrice), (0, 1, 0));
}

/// The first copy of a write that was repeated arrives after the next write was acknowledged.
#[test]
fn a_repetition_that_undoes_a_later_write_is_found() {
    let ops = [(update("b"), done(2)), (update("c"), done(3))];
    finds(&judge(&ops, &[image("b", false, 2), image("c", false, 3), image("b", false, 4)]), (0, 1, 0));
    let ops = [(ON, done(2)), (TOGGLE, done(3))];
    finds(&judge(&ops, &[image("a", true, 2), image("a", false, 3), image("a", true, 4)]), (0, 1, 0));
}

#[test]
fn a_lost_update_is_found() {
    // It overwrote version 2, and its guard named version 1.
    let ops = [(update("b"), done(2)), (guarded("c", 1), done(3))];
    finds(&judge(&ops, &[image("b", false, 2), image("c", false, 3)]), (1, 1, 0));
    // A guard that nothing had outdated.
    finds(&judge(&[(guarded("b", 1), Outcome::Refused(412))], &[]), (0, 0, 1));
}

#[test]
fn an_old_reading_is_found() {
    let images = [image("b", false, 2)];
    finds(&judge(&[(update("b"), done(2)), (GET, done(1))], &images), (1, 0, 0));
    let list = Outcome::Listed(vec![Seen { task: TASK, version: at(1) }]);
    finds(&judge(&[(update("b"), done(2)), (Action::List, list)], &images), (1, 0, 0));
    finds(&judge(&[(GET, done(9))], &[]), (1, 0, 0));
}

#[test]
fn a_counters_numbers_are_given_once_and_kept() {
    let count = |number: u64, guard: u32| Action::Update {
        task: TASK,
        title: format!("{number} at {guard}"),
        guard: Some(at(guard)),
        number: Some(number),
    };
    let counted = |number: u64, guard: u32, version: u32| Image {
        description: Some(number.to_string()),
        ..image(&format!("{number} at {guard}"), false, version)
    };
    let create = op(0, Action::Create { title: "a".into() }, done(1));
    let ops = [create, op(1, count(1, 1), done(2)), op(0, count(2, 2), done(3))];
    clean(&check(&ops, &evidence(&[counted(1, 1, 2), counted(2, 2, 3)], true)));
    // Both counted to one.
    let [create, one, _] = ops;
    let both = [create, one, op(0, count(1, 2), done(3))];
    finds(&check(&both, &evidence(&[counted(1, 1, 2), counted(1, 2, 3)], true)), (0, 1, 0));
}
