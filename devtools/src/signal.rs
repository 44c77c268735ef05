//! Signals to processes, without the program `kill`, which a small machine does not have.

pub use nix::sys::signal::Signal;
use nix::{
    sys::signal::{kill, killpg},
    unistd::Pid,
};

/// Sends a signal to a process. Whether the process exists, and this user may do that.
#[allow(clippy::must_use_candidate)]
pub fn send(process: u32, signal: Signal) -> bool {
    i32::try_from(process).is_ok_and(|process| kill(Pid::from_raw(process), signal).is_ok())
}

/// Sends a signal to all processes of a group. Whether there are any, and this user may do that.
#[allow(clippy::must_use_candidate)]
pub fn send_to_group(group: u32, signal: Signal) -> bool {
    i32::try_from(group).is_ok_and(|group| killpg(Pid::from_raw(group), signal).is_ok())
}
