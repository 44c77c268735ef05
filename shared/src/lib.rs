//! The code that the functions of the task API share.
//!
//! A function consists of its handler, and everything else is in this crate. A request passes through it in this
//! order:
//!
//! 1. [`serve()`] turns an API Gateway event into a [`http::Request`], sets its deadline and handles panics.
//! 2. [`App::authorize`] verifies the bearer token, which gives an [`auth::Caller`], compares the caller with the
//!    path, which gives an [`auth::Owner`], and reads the rest of the handler's input.
//! 3. [`tasks`] and [`users`] run one statement on the owner's rows.
//! 4. [`http::Response`] becomes API Gateway's answer, with CORS headers and a request id. When it was sent,
//!    [`telemetry`] writes one log line about it.

mod after_response;
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
