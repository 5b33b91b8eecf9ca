//! What a store has to offer to be measured: a name, what its answer promises, a start in a fresh directory, clients, and
//! its own count of what it stored.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;

use async_trait::async_trait;
use weir_bench::Failure;

use crate::load::Acknowledged;
use crate::publisher::Publisher;

/// Where programs are that are not the system's.
#[derive(Debug, Clone)]
pub struct Programs {
    /// The Weir server.
    pub weir: PathBuf,
    /// What `cargo install --root` made.
    pub peers: PathBuf,
}

/// A kind of store.
#[async_trait]
pub trait Peer: Sync {
    fn name(&self) -> &'static str;

    /// What is true once it has answered, as one sentence of the report.
    fn promise(&self) -> &'static str;

    /// Which version there is; or why there is none, and what was tried.
    fn version(&self, programs: &Programs) -> Result<String, Failure>;

    /// Starts it in an empty directory, ready for clients. It stops when the answer is dropped.
    async fn start(&self, programs: &Programs, dir: &Path) -> Result<Box<dyn Store>, Failure>;
}

/// A store that runs.
#[async_trait]
pub trait Store: Send {
    /// Its process; children of it are counted with it.
    fn pid(&self) -> u32;

    /// So many clients, each with a connection of its own, that publish so many events a request.
    async fn clients(&mut self, connections: usize, events: usize) -> Result<Vec<Box<dyn Publisher>>, Failure>;

    /// How many events it has, as it counts them itself; nothing if it keeps none.
    async fn count(&mut self) -> Result<Option<u64>, Failure>;

    /// Looks once more at what was answered last.
    fn check_sample(&self, _: &Acknowledged, _events: usize, _acknowledged: u64) -> Result<(), Failure> {
        Ok(())
    }
}

/// A port of loopback that was free just now.
pub fn free_address() -> Result<SocketAddr, Failure> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}

/// A command that the kernel kills when the bench is gone, however it went, where `setpriv` (util-linux) is there to ask
/// for it. As `user`, if one is named: some servers refuse to be root.
pub fn bound_command(program: &Path, user: Option<&str>) -> Command {
    if said("setpriv", &["--version"]).is_none() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    if let Some(user) = user {
        command.args([format!("--reuid={user}"), format!("--regid={user}"), "--init-groups".to_owned()]);
    }
    command.args(["--pdeathsig=KILL", "--"]).arg(program);
    command
}

/// The first line that a program prints, if it is there.
pub fn said(program: impl AsRef<std::ffi::OsStr>, args: &[&str]) -> Option<String> {
    let output = Command::new(program).args(args).output().ok().filter(|output| output.status.success())?;
    Some(String::from_utf8_lossy(&output.stdout).lines().next()?.trim().to_owned())
}

/// The version of a Debian package's program.
pub fn debian(program: &str, args: &[&str], package: &str) -> Result<String, Failure> {
    said(program, args).ok_or_else(|| {
        format!(
            "{program} is not installed; `apt-get install {package}` (what `cargo xtask bench compare` tries as root)"
        )
        .into()
    })
}

/// The version of a program from the Rust registry; where it could not be built, what xtask wrote down about that.
pub fn built(programs: &Programs, program: &str) -> Result<String, Failure> {
    let path = programs.peers.join("bin").join(program);
    said(&path, &["--version"]).ok_or_else(|| {
        let why = std::fs::read_to_string(programs.peers.join(format!("{program}.failed")));
        let why = why.unwrap_or_else(|_| "`cargo xtask bench compare` builds it".to_owned());
        format!("there is no {}: {}", path.display(), why.trim()).into()
    })
}
