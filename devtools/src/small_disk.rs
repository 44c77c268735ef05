//! A small file system for tests of a full disk.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::Result;

use crate::{postgres::Server, settings::target, tools::system::is_root};

/// The mount options: the size, and write access for the server.
const OPTIONS: &str = "size=64m,mode=0777";

/// A separate file system in memory, which fills up soon. It is unmounted when this is dropped.
pub struct SmallDisk(PathBuf);

impl SmallDisk {
    /// Whether this machine can mount one. Only root can, and not in most containers.
    #[must_use]
    pub fn is_possible() -> bool {
        Self::mount().is_some()
    }

    /// Mounts the file system. `None` if that fails.
    #[must_use]
    pub fn mount() -> Option<Self> {
        let folder = target().join("small-disk");
        // An earlier run that was killed may have left a mount.
        unmount(&folder);
        let mounted = cfg!(target_os = "linux") && is_root() && fs::create_dir_all(&folder).is_ok() && {
            let mut mount = Command::new("mount");
            mount.args(["-t", "tmpfs", "-o", OPTIONS, "tmpfs"]).arg(&folder).stderr(Stdio::null());
            mount.status().is_ok_and(|status| status.success())
        };
        mounted.then_some(Self(folder))
    }

    /// Creates a folder on the file system that belongs to the server's user.
    pub fn folder_of(&self, server: &Server) -> Result<PathBuf> {
        let folder = self.0.join("tablespace");
        server.make_folder(&folder)?;
        Ok(folder)
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        unmount(&self.0);
    }
}

fn unmount(folder: &Path) {
    // Usually nothing is mounted there, and this fails.
    let _ = Command::new("umount").arg(folder).stderr(Stdio::null()).status();
}
