//! HTTP requests and answers, as API Gateway represents them. Only this module knows status codes.

mod body;
mod conditional;
mod constant_body;
mod cors;
mod error_response;
#[cfg(test)]
mod event_tests;
mod fallback;
mod field;
mod headers;
mod idempotency;
mod page;
mod problems;
mod request;
mod response;
mod security_headers;

pub use body::Fields;
pub(crate) use body::{Body, Sent, body, body_field};
pub use conditional::{IfMatch, Version, Versioned};
pub use constant_body::ConstantBody;
pub use cors::{Cors, preflight};
pub use error_response::{ErrorBody, ValidationError};
pub use fallback::fallback;
pub use field::{Field, boolean};
pub use headers::Header;
pub use idempotency::IdempotencyKey;
pub use page::Page;
pub use problems::Problems;
pub use request::{HttpEvent, Input, Request};
pub use response::{Health, Message, Response};
pub(crate) use security_headers::add_security_headers;

pub use crate::{nullable::Nullable, problem::Problem};
