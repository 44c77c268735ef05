//! What clients do: a mix that is computed from a seed.

use tests::random::Random;

/// One step of a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// A new task with an `Idempotency-Key`, repeated until it is acknowledged.
    Create,
    /// The same, sent twice at once.
    CreateTwice,
    /// The last such request once more, after its answer.
    CreateAgain,
    /// Its key with another body.
    CreateOther,
    /// A new task without a key.
    CreatePlain,
    /// PUT.
    Update,
    /// PUT with `If-Match`.
    UpdateGuarded,
    /// PUT with the `If-Match` of a version that is known to be old.
    UpdateStale,
    /// PUT on a task that nobody has.
    UpdateNothing,
    /// PATCH …/complete.
    Toggle,
    /// PATCH …/complete with the new state.
    Set,
    /// DELETE.
    Delete,
    /// GET.
    Get,
    /// GET with `If-None-Match`.
    GetIfNew,
    /// GET of the list.
    List,
    /// Read a counter, which other clients use as well, and write the next number with `If-Match`.
    Count,
}

/// The mix of a client with a user of its own.
const OWN: [(Step, usize); 15] = [
    (Step::Create, 14),
    (Step::CreateTwice, 3),
    (Step::CreateAgain, 3),
    (Step::CreateOther, 2),
    (Step::CreatePlain, 8),
    (Step::Update, 12),
    (Step::UpdateGuarded, 10),
    (Step::UpdateStale, 2),
    (Step::UpdateNothing, 1),
    (Step::Toggle, 12),
    (Step::Set, 10),
    (Step::Delete, 9),
    (Step::Get, 8),
    (Step::GetIfNew, 3),
    (Step::List, 3),
];

/// The mix of a client that shares its user with another client.
const SHARED: [(Step, usize); 3] = [(Step::Count, 5), (Step::Toggle, 4), (Step::Get, 1)];

/// The steps of a client. Each has a random number, by which the client chooses a task.
pub(crate) fn plan(random: &mut Random, shared: bool, steps: usize) -> Vec<(Step, usize)> {
    let mix: &[(Step, usize)] = if shared { &SHARED } else { &OWN };
    let total = mix.iter().map(|(_, weight)| weight).sum();
    let draw = |random: &mut Random| {
        let mut at = random.below(total);
        for (step, weight) in mix {
            if at < *weight {
                return *step;
            }
            at -= weight;
        }
        Step::Get
    };
    (0..steps).map(|_| (draw(random), random.below(1 << 20))).collect()
}
