//! Signals to processes, without the program `kill`, which a small machine may lack.

pub use nix::sys::signal::Signal;
use nix::{
    sys::signal::{kill, killpg},
    unistd::Pid,
};

/// Sends a signal to a process. Returns false when the process does not exist or this user may not signal it.
#[allow(clippy::must_use_candidate)]
pub fn send(process: u32, signal: Signal) -> bool {
    i32::try_from(process).is_ok_and(|process| kill(Pid::from_raw(process), signal).is_ok())
}

/// Sends a signal to all processes of a group. Returns false when the group is empty or this user may not signal it.
#[allow(clippy::must_use_candidate)]
pub fn send_to_group(group: u32, signal: Signal) -> bool {
    i32::try_from(group).is_ok_and(|group| killpg(Pid::from_raw(group), signal).is_ok())
}
