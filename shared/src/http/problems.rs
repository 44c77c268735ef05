//! Everything that is wrong with a request.

use crate::{Error, Result, problem::Problem};

/// Everything that is wrong with a request: the caller hears of all of it at once.
#[derive(Debug, Default)]
pub struct Problems {
    found: Vec<Problem>,
    error: Option<Error>,
}

impl Problems {
    /// Adds one.
    pub fn push(&mut self, problem: Problem) {
        self.found.push(problem);
    }

    /// Takes the value, or adds what is wrong with it.
    pub fn take<T>(&mut self, result: Result<T, Problem>) -> Option<T> {
        result.map_err(|problem| self.push(problem)).ok()
    }

    /// Refuses the request for a reason that stands alone, such as a body that is not JSON.
    pub(crate) fn fail_with(&mut self, error: Error) {
        self.error.get_or_insert(error);
    }

    /// Nothing, when there is no problem.
    ///
    /// # Errors
    /// The reason that stands alone, or else all the problems.
    pub(crate) fn into_result(self) -> Result<()> {
        match self.error {
            Some(error) => Err(error),
            None if self.found.is_empty() => Ok(()),
            None => Err(Error::Invalid(self.found)),
        }
    }
}
