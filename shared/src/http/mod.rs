//! HTTP as API Gateway hands it over: requests in, answers out. Only this module knows status
//! codes.

mod body;
mod cors;
mod page;
pub(crate) mod problem;
mod refusal;
mod request;
mod response;
mod unmatched;

pub use body::{Field, Fields, Nullable, boolean};
pub use cors::{Cors, preflight};
pub use page::Page;
pub use problem::{Problem, Problems};
pub use request::{Input, Request, ServerEvent};
pub use response::Response;
pub use unmatched::unmatched;
