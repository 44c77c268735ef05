//! End-to-end tests: HTTP in, rows and answers out.

mod bad_input;
mod better_auth;
mod checker;
mod cloudformation;
mod concurrency;
mod consistency;
mod contract;
mod faults;
mod flights;
mod fuzz;
mod jwks;
mod late_writes;
mod limits;
mod list;
mod lost_connections;
mod migrations;
mod ownership;
mod plans;
mod pooler;
mod races;
mod retries;
mod row_level_security;
mod schemathesis;
mod telemetry;
mod template;
