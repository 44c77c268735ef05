//! `cargo xtask bare`: runs the two commands of the README on a machine with nothing else installed.
//!
//! The machine is a root file system of Debian, with the packages that the README names and this machine's Rust
//! toolchain. Its processes have their own namespaces, so that mounts and servers end with them. They may not create
//! user namespaces, and root has only the rights that it has in a container.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    time::Instant,
};

use anyhow::{Context, Result, bail};
use devtools::{
    settings::{root, target},
    tools::{
        make_folder,
        system::{apt, is_root, on_path},
    },
    ui::{print, say, step, table, waiting},
};
use futures_util::future::try_join_all;
use tokio::process::Command;

/// The packages that the README names.
const PACKAGES: &str = "ca-certificates,gcc,git,libc6-dev,make,perl,python3,python3-venv";

/// Root's capabilities in a container, by
/// [Docker's default](https://docs.docker.com/engine/security/#linux-kernel-capabilities).
const CAPABILITIES: &str = "-all,+audit_write,+chown,+dac_override,+fowner,+fsetid,+kill,+mknod,+net_bind_service,\
    +net_raw,+setfcap,+setgid,+setpcap,+setuid,+sys_chroot";

/// Variables with the network configuration of this machine.
const NETWORK: [&str; 14] = [
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "SSL_CERT_FILE",
    "CARGO_HTTP_CAINFO",
    "CARGO_HTTP_PROXY",
    "GIT_SSL_CAINFO",
    "NODE_EXTRA_CA_CERTS",
    "PIP_CERT",
    "PIP_INDEX_URL",
    "REQUESTS_CA_BUNDLE",
];

/// Debian's file with the root certificates.
const AUTHORITIES: &str = "etc/ssl/certs/ca-certificates.crt";

/// The options of the command.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Only install the tools and check that they run, with this machine's build of xtask
    #[arg(long)]
    tools: bool,
    /// Only as this user
    #[arg(long, value_enum)]
    only: Option<User>,
    /// Make the root file system anew
    #[arg(long)]
    fresh: bool,
}

/// The user that runs the commands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum User {
    /// A normal user
    User,
    /// Root, with the project below /root
    Root,
}

impl User {
    /// The user id, and also the group id.
    const fn id(self) -> u32 {
        match self {
            Self::User => 1000,
            Self::Root => 0,
        }
    }

    const fn home(self) -> &'static str {
        match self {
            Self::User => "home/user",
            Self::Root => "root",
        }
    }
}

/// Runs everything in fresh root file systems.
pub(crate) async fn run(options: &Options) -> Result<()> {
    if !cfg!(target_os = "linux") || !is_root() || on_path("apt-get").is_none() {
        bail!("`cargo xtask bare` makes a root file system and enters it, which takes root on Debian.");
    }
    let changed = git(&["status", "--porcelain"]).await?;
    if !changed.is_empty() {
        say("What is not committed is not in the clone that is tested.");
    }
    let base = base(options.fresh).await?;
    let toolchain = output(Command::new("rustc").args(["--print", "sysroot"])).await?;
    let mut machines = Vec::new();
    for user in [User::User, User::Root] {
        if options.only.is_none_or(|only| only == user) {
            machines.push(Machine::new(&base, user, toolchain.trim()).await?);
        }
    }
    let rows = if options.tools { tools(&machines).await? } else { commands(&machines).await? };
    for machine in machines {
        machine.remove()?;
    }
    print(format!("\n{}", table(&["on a bare machine", "result", "seconds"], &rows)));
    Ok(())
}

/// Runs the two commands on each machine, one machine after the other.
async fn commands(machines: &[Machine]) -> Result<Vec<Vec<String>>> {
    let mut rows = Vec::new();
    for machine in machines {
        for (name, script) in [("dev", format!("{DEV}\n{DEV_CHECK}")), ("test", "cargo xtask test".to_owned())] {
            step(&format!("cargo xtask {name} on a bare machine, as {:?}", machine.user));
            let started = Instant::now();
            let status = machine.command(&script).status().await.context("unshare")?;
            rows.push(machine.row(name, started, status)?);
        }
    }
    Ok(rows)
}

/// Installs the tools on all machines at the same time, because it is mostly waiting for downloads.
async fn tools(machines: &[Machine]) -> Result<Vec<Vec<String>>> {
    let doctor = format!("{DOCTOR} xtask doctor");
    let started = Instant::now();
    let all = try_join_all(machines.iter().map(|machine| machine.command(&doctor).output()));
    let outputs = waiting("Installing the tools on bare machines", async { all.await.context("unshare") }).await?;
    let mut rows = Vec::new();
    for (machine, output) in machines.iter().zip(outputs) {
        step(&format!("cargo xtask doctor on a bare machine, as {:?}", machine.user));
        print(String::from_utf8_lossy(&[output.stdout, output.stderr].concat()));
        rows.push(machine.row("doctor", started, output.status)?);
    }
    Ok(rows)
}

/// Tells this machine's build of xtask where the project is on the bare machine.
const DOCTOR: &str = "CARGO_MANIFEST_DIR=$PWD/xtask";

/// Starts `dev` and waits until it is ready.
const DEV: &str = "cargo xtask dev > /tmp/dev.log 2>&1 & dev=$!
for second in $(seq 900); do
    grep -q 'Ctrl-C stops everything' /tmp/dev.log && break
    kill -0 $dev || { cat /tmp/dev.log; exit 1; }
    sleep 1
done
echo \"dev is there after $second seconds\"";

/// Runs the request that `dev` suggests, and then stops `dev` as Ctrl-C does.
const DEV_CHECK: &str = r#"python3 - <<'END'
import json, re, urllib.request
log = open("/tmp/dev.log").read()
url = re.search(r"curl -s (http://\S+/tasks) -H 'Authorization: (Bearer \S+)'", log)
call = urllib.request.Request(url[1], headers={"Authorization": url[2]})
tasks = json.load(urllib.request.urlopen(call))
assert len(tasks) == 3, tasks
print("it answers", len(tasks), "tasks")
END
[ $? = 0 ] || { cat /tmp/dev.log; exit 1; }
pkill_dev() { for process in /proc/[0-9]*; do
    tr '\0' ' ' < $process/cmdline 2>/dev/null | grep -q 'xtask dev$\|xtask dev $' && kill -INT ${process#/proc/}; done; }
pkill_dev; wait $dev
! grep -l '^postgres' /proc/[0-9]*/comm"#;

/// The root file system that the machines are copies of.
async fn base(fresh: bool) -> Result<PathBuf> {
    let base = target().join("bare").join("base");
    // The stamp is written last, so it means that the file system is complete.
    let stamp = base.join("etc/bare");
    if fresh || fs::read_to_string(&stamp).unwrap_or_default() != PACKAGES {
        remove(&base)?;
        make_folder(&base)?;
        if on_path("debootstrap").is_none() {
            apt(&["debootstrap"]).await?;
        }
        let mut debootstrap = Command::new("debootstrap");
        // The same release as on this machine, because this machine's build of xtask must run there.
        let here = fs::read_to_string("/etc/os-release").context("/etc/os-release")?;
        let field = |name| here.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
        // In Ubuntu, Python's venv module is in another component of the archive.
        let components = if field("ID=") == "ubuntu" { "main,universe" } else { "main" };
        debootstrap.args([
            "--variant=minbase",
            &format!("--include={PACKAGES}"),
            &format!("--components={components}"),
        ]);
        debootstrap.arg(field("VERSION_CODENAME=")).arg(&base);
        waiting("Making a root file system of Debian's", output(&mut debootstrap)).await?;
        fs::write(&stamp, PACKAGES).with_context(|| stamp.display().to_string())?;
    }
    Ok(base)
}

/// A root file system for one user, with a clone of HEAD.
struct Machine {
    folder: PathBuf,
    user: User,
    toolchain: PathBuf,
}

impl Machine {
    async fn new(base: &Path, user: User, toolchain: &str) -> Result<Self> {
        let folder = target().join("bare").join(user.home().replace('/', "-"));
        remove(&folder)?;
        output(Command::new("cp").args(["--archive", "--reflink=auto"]).arg(base).arg(&folder)).await?;
        for file in ["etc/resolv.conf", "etc/hosts", AUTHORITIES] {
            let here = Path::new("/").join(file);
            if here.exists() {
                fs::copy(&here, folder.join(file)).with_context(|| file.to_owned())?;
            }
        }
        for (file, line) in [("etc/passwd", "user:x:1000:1000::/home/user:/bin/sh\n"), ("etc/group", "user:x:1000:\n")]
        {
            let path = folder.join(file);
            let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
            fs::write(&path, text + line).with_context(|| path.display().to_string())?;
        }
        make_folder(&folder.join("opt/rust"))?;
        // This also works when the program's file was replaced after its start.
        let xtask = folder.join("usr/local/bin/xtask");
        fs::copy("/proc/self/exe", &xtask).with_context(|| xtask.display().to_string())?;
        let project = folder.join(user.home()).join("task-api");
        make_folder(&folder.join(user.home()))?;
        let clone = ["clone", "--quiet", "--no-hardlinks", "."];
        output(Command::new("git").args(clone).arg(&project).current_dir(root())).await?;
        let owner = format!("{0}:{0}", user.id());
        output(Command::new("chown").args(["--recursive", &owner]).arg(folder.join(user.home()))).await?;
        Ok(Self { folder, user, toolchain: toolchain.into() })
    }

    /// A command that runs a script as the user, in the project.
    fn command(&self, script: &str) -> Command {
        let home = format!("/{}", self.user.home());
        let mount = "set -e
mount -t proc proc \"$1/proc\"
mount --rbind /dev \"$1/dev\"
mount --bind -o ro \"$2\" \"$1/opt/rust\"
root=$1; user=$3; capabilities=$4; shift 4
exec setpriv --bounding-set \"$capabilities\" chroot --userspec=\"$user:$user\" --groups=\"$user\" \"$root\" \"$@\"";
        let mut command = Command::new("unshare");
        command
            .args(["--mount", "--pid", "--fork", "--kill-child", "--propagation", "private", "sh", "-c", mount, "sh"])
            .arg(&self.folder)
            .arg(&self.toolchain)
            .arg(self.user.id().to_string())
            .arg(CAPABILITIES)
            .args(["/bin/sh", "-c", &format!("cd {home}/task-api || exit 1\n{script}")])
            .env_clear()
            .envs(NETWORK.iter().filter_map(|name| Some((name, env::var_os(name)?))))
            .env("PATH", "/opt/rust/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
            .env("HOME", &home)
            .env("LANG", "C.UTF-8")
            .stdin(Stdio::null())
            .kill_on_drop(true);
        command
    }

    /// The report's row for a command.
    fn row(&self, name: &str, started: Instant, status: ExitStatus) -> Result<Vec<String>> {
        if !status.success() {
            bail!("That failed on a bare machine, which is left in {}: {status}", self.folder.display());
        }
        let seconds = format!("{:.0}", started.elapsed().as_secs_f64());
        Ok(vec![format!("cargo xtask {name}, as {:?}", self.user), "passed".into(), seconds])
    }

    fn remove(self) -> Result<()> {
        remove(&self.folder)
    }
}

/// Removes a root file system. Its mounts exist only in its own namespaces.
fn remove(folder: &Path) -> Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder).with_context(|| folder.display().to_string())?;
    }
    Ok(())
}

async fn git(arguments: &[&str]) -> Result<String> {
    output(Command::new("git").args(arguments).current_dir(root())).await
}

/// Runs a program to its end and returns its standard output.
async fn output(command: &mut Command) -> Result<String> {
    let output = command.stdin(Stdio::null()).kill_on_drop(true).output().await;
    let output = output.with_context(|| command.as_std().get_program().display().to_string())?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let text = [output.stdout, output.stderr].concat();
    bail!("{}`{:?}` failed: {}", String::from_utf8_lossy(&text), command.as_std(), output.status)
}
