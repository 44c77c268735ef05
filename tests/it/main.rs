//! End-to-end tests: HTTP in, rows and answers out.

mod contract;
