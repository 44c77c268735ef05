//! The problems of a request.

use crate::{Error, Result, problem::Problem};

/// All the problems of a request. The caller gets all of them at once.
#[derive(Debug, Default)]
pub struct Problems {
    found: Vec<Problem>,
    error: Option<Error>,
}

impl Problems {
    /// Adds a problem.
    pub fn push(&mut self, problem: Problem) {
        self.found.push(problem);
    }

    /// Returns the value, or adds the problem.
    pub fn take<T>(&mut self, result: Result<T, Problem>) -> Option<T> {
        result.map_err(|problem| self.push(problem)).ok()
    }

    /// Refuses the request for a reason that is reported alone, such as a body that is not JSON.
    pub(crate) fn fail_with(&mut self, error: Error) {
        self.error.get_or_insert(error);
    }

    /// `Ok` when there is no problem.
    ///
    /// # Errors
    /// The reason that is reported alone, or else all the problems.
    pub(crate) fn into_result(self) -> Result<()> {
        match self.error {
            Some(error) => Err(error),
            None if self.found.is_empty() => Ok(()),
            None => Err(Error::Invalid(self.found)),
        }
    }
}
