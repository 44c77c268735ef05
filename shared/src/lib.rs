//! What every function of the task API has in common.
//!
//! A function is its handler and nothing else; this crate is the rest. A request passes through
//! it in this order:
//!
//! 1. [`serve()`] turns an API Gateway event into a [`http::Request`], sets its deadline and
//!    catches what may go wrong.
//! 2. [`App::authorize`] makes an [`auth::Caller`] out of the bearer token and an [`auth::Owner`] out
//!    of the caller and the path, and reads what else the handler needs.
//! 3. [`tasks`] and [`users`] run one statement on the owner's rows.
//! 4. [`http::Response`] becomes API Gateway's answer, with CORS headers and a request id, and
//!    [`telemetry`] writes one line about it.

mod app;
pub mod auth;
pub mod config;
pub mod db;
mod description;
pub mod error;
pub mod http;
mod nullable;
#[cfg(feature = "openapi")]
pub mod openapi;
mod problem;
pub mod release;
mod request_line;
pub mod request_scope;
pub mod routes;
mod serve;
pub mod tasks;
pub mod telemetry;
mod text;
mod timestamp;
mod user_id;
pub mod users;
pub mod web;

pub use app::{App, OnDemand, State};
pub use description::Description;
pub use error::{Error, Result};
pub use serve::{Handler, serve};
pub use text::Text;
