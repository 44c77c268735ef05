//! HTTP as API Gateway hands it over: requests in, answers out. Only this module knows status
//! codes.

mod body;
mod conditional;
mod cors;
mod hardening;
mod headers;
mod idempotency;
mod page;
pub(crate) mod problem;
mod refusal;
mod request;
mod response;
mod unmatched;

pub use body::{Field, Fields, Nullable, boolean};
pub use conditional::{IfMatch, Version, Versioned};
pub use cors::{Cors, preflight};
pub(crate) use hardening::harden;
pub use headers::Header;
pub use idempotency::IdempotencyKey;
pub use page::Page;
pub use problem::{Problem, Problems};
pub use request::{Input, Request, ServerEvent};
pub use response::Response;
pub use unmatched::unmatched;
