//! The log: lines of JSON.
//!
//! No line carries a token, a secret or a text of a user's: messages are this program's own, and
//! of a database error only what [`causes`] lets through.

use std::{
    error::Error as StdError,
    io::{self, Write},
    panic::PanicHookInfo,
    time::Duration,
};

use serde::Serialize;
use tokio_postgres::error::DbError as PostgresError;

use crate::timestamp;

/// Writes a warning with its chain of causes.
pub fn warn(message: &'static str, error: &(dyn StdError + 'static)) {
    write("WARN", message, &Causes { causes: causes(error) });
}

/// Writes a line about something that went as it should.
pub fn info(message: &'static str, fields: &impl Serialize) {
    write("INFO", message, fields);
}

/// Milliseconds with microsecond precision.
pub(crate) fn milliseconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e3
}

/// Logs where a panic happened, and not its message: that may quote what a user wrote.
pub fn panic_hook(info: &PanicHookInfo) {
    write("ERROR", "panic", &Panic::of(info));
}

#[derive(Serialize)]
struct Causes {
    causes: Vec<String>,
}

#[derive(Serialize)]
struct Panic {
    location: String,
}

impl Panic {
    fn of(info: &PanicHookInfo) -> Self {
        Self { location: info.location().map(ToString::to_string).unwrap_or_default() }
    }
}

/// The chain of causes, outermost first.
///
/// Of an error that Postgres reports only severity, code, message and the names of table and
/// constraint are shown: its detail quotes the row.
pub fn causes(error: &(dyn StdError + 'static)) -> Vec<String> {
    let mut causes = Vec::new();
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(error) = error.downcast_ref::<PostgresError>() {
            let place = [error.table(), error.constraint()].into_iter().flatten().collect::<Vec<_>>().join(".");
            let code = error.code().code();
            causes.push(format!("{} {code}: {} {place}", error.severity(), error.message()).trim_end().to_owned());
        } else if !error.source().is_some_and(<dyn StdError>::is::<PostgresError>) {
            // What wraps a report of Postgres's says no more than "db error".
            causes.push(error.to_string());
        }
        next = error.source();
    }
    causes
}

fn write(level: &'static str, message: &'static str, fields: &impl Serialize) {
    Line::new(level, message).and(fields).write();
}

/// A line that is being written: a JSON object without its end.
pub(crate) struct Line(Vec<u8>);

impl Line {
    pub(crate) fn new(level: &'static str, message: &'static str) -> Self {
        let timestamp = timestamp::now();
        Self(format!(r#"{{"timestamp":"{timestamp}","level":"{level}","message":"{message}""#).into_bytes())
    }

    /// Adds the fields of a struct, of which there is at least one.
    pub(crate) fn and(mut self, fields: &impl Serialize) -> Self {
        let end = self.0.len();
        match serde_json::to_writer(&mut self.0, fields) {
            // An object's braces: the first gives way to a comma, the last goes.
            Ok(()) => {
                self.0.pop();
                self.0.splice(end..=end, [b',']);
            }
            Err(_) => self.0.truncate(end),
        }
        self
    }

    pub(crate) fn write(mut self) {
        self.0.extend(b"}\n");
        // Nobody can be told that the log is closed.
        let _ = io::stdout().write_all(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_logged_without_its_message() {
        let (sender, receiver) = std::sync::mpsc::channel();
        let test = std::thread::current().id();
        let previous = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if std::thread::current().id() == test {
                sender.send(serde_json::to_string(&Panic::of(info)).unwrap()).unwrap();
            } else {
                previous(info);
            }
        }));
        std::panic::catch_unwind(|| panic!("private words")).unwrap_err();
        let line = receiver.recv().unwrap();
        assert!(line.contains("telemetry.rs") && !line.contains("private"), "{line}");
    }
}
