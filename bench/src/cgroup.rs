//! A share of a core, as a function on Lambda has it, by a control group of this kernel.

use std::{fs, path::Path, path::PathBuf, thread, time::Duration};

use anyhow::{Context, Result};
/// Where systemd and containers mount control groups.
const ROOT: &str = "/sys/fs/cgroup";

/// After how many microseconds the quota begins anew. This is an assumption, as AWS publishes no number; the default of
/// Linux is 100 ms. <https://arxiv.org/abs/2506.01283> measures what platforms use.
const PERIOD: u64 = 20_000;

/// The version of the kernel's interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Version {
    One,
    Two,
}

/// A control group. It is removed when this is dropped, which has to be after the end of its processes.
pub(crate) struct Group {
    path: PathBuf,
    version: Version,
}

impl Group {
    /// A group without a limit.
    pub(crate) fn new() -> Result<Self> {
        let name = format!("task-api-bench-{}", std::process::id());
        let one = ["cpu", "cpu,cpuacct"].map(|controller| Path::new(ROOT).join(controller));
        let one = one.into_iter().find(|folder| folder.join("cpu.cfs_quota_us").exists());
        let version = if one.is_some() { Version::One } else { Version::Two };
        if version == Version::Two {
            let control = Path::new(ROOT).join("cgroup.subtree_control");
            fs::write(&control, "+cpu").with_context(|| control.display().to_string())?;
        }
        let parent = one.unwrap_or_else(|| ROOT.into());
        let path = parent.join(name);
        if !path.exists() {
            fs::create_dir(&path).with_context(|| path.display().to_string())?;
        }
        Ok(Self { path, version })
    }

    /// Puts a process with all its threads into the group.
    pub(crate) fn add(&self, pid: u32) -> Result<()> {
        self.write("cgroup.procs", &pid.to_string())
    }

    /// Limits the group to a share of one core, or lifts the limit.
    pub(crate) fn limit(&self, share: Option<f64>) -> Result<()> {
        match (self.version, share.map(quota)) {
            (Version::One, None) => self.write("cpu.cfs_quota_us", "-1"),
            (Version::One, Some(quota)) => {
                self.write("cpu.cfs_period_us", &PERIOD.to_string())?;
                self.write("cpu.cfs_quota_us", &quota.to_string())
            }
            (Version::Two, None) => self.write("cpu.max", "max"),
            (Version::Two, Some(quota)) => self.write("cpu.max", &format!("{quota} {PERIOD}")),
        }
    }

    fn write(&self, file: &str, text: &str) -> Result<()> {
        let path = self.path.join(file);
        fs::write(&path, text).with_context(|| path.display().to_string())
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // The kernel removes a killed process from its group a little later.
        for _ in 0..50 {
            if fs::remove_dir(&self.path).is_ok() {
                return;
            }
            thread::sleep(Duration::from_millis(10));
        }
        eprintln!("{} could not be removed", self.path.display());
    }
}

/// The microseconds of each period.
fn quota(share: f64) -> u64 {
    // The kernel takes no less than one millisecond.
    Duration::from_micros(PERIOD).mul_f64(share).as_micros().try_into().unwrap_or(PERIOD).max(1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quota_is_a_share_of_the_period() {
        assert_eq!(quota(1.0), 20_000);
        assert_eq!(quota(128.0 / 1769.0), 1447);
        assert_eq!(quota(0.001), 1000);
    }
}
