//! A server as a child process, on a free port, in directories of its own.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::Client;

/// How a server is started.
#[derive(Debug, Clone, Default)]
pub struct ServerOptions {
    /// The program; the one that Cargo built for the tests.
    pub program: PathBuf,
    pub args: Vec<String>,
    /// A command that runs the program, as its first words: none, or `SmallDisk::enter`.
    pub under: Vec<String>,
}

/// A running server. It is killed when dropped; its directories stay until then, so that it can be started again.
pub struct TestServer {
    options: ServerOptions,
    child: Child,
    pub client: Client,
    dir: TempDir,
}

/// A start compiles the sample plugins when there is no cache yet, on a machine that runs other tests beside it.
const START_SECONDS_MAX: u64 = 60;

impl TestServer {
    pub async fn start(options: ServerOptions) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        Self::start_in(options, dir).await
    }

    /// Starts it in a directory that was prepared.
    pub async fn start_in(options: ServerOptions, dir: TempDir) -> Self {
        let (child, client) = spawn(&options, dir.path()).await;
        Self { options, child, client, dir }
    }

    pub fn data_dir(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    pub fn plugins_dir(&self) -> PathBuf {
        self.dir.path().join("config/plugins")
    }

    pub fn pid(&self) -> u32 {
        self.child.id().expect("it runs")
    }

    /// Ends the process at once, as a power switch would.
    pub async fn kill(&mut self) {
        self.child.kill().await.expect("killed");
    }

    /// Starts again on the same directories, after `kill` or `stop`. The port is a new one.
    pub async fn start_again(&mut self) {
        let (child, client) = spawn(&self.options, self.dir.path()).await;
        (self.child, self.client) = (child, client);
    }

    /// Asks the process to stop, and waits until it did.
    pub async fn stop(&mut self) {
        let pid = Pid::from_raw(i32::try_from(self.pid()).expect("a pid")).expect("a pid");
        kill_process(pid, Signal::TERM).expect("signalled");
        let ended = tokio::time::timeout(Duration::from_secs(30), self.child.wait()).await;
        let status = ended.expect("it stops within 30 s").expect("a status");
        assert!(status.success(), "it stops with success: {status}");
    }
}

/// Compiled plugins are shared by all stories of a build; one story would else spend its time compiling.
fn shared_cache(program: &Path) -> PathBuf {
    program.with_file_name("weir-under-test-plugin-cache")
}

async fn spawn(options: &ServerOptions, dir: &Path) -> (Child, Client) {
    let mut words = options.under.iter().map(OsStr::new).chain([options.program.as_os_str()]);
    let mut child = Command::new(words.next().expect("the program at least"))
        .args(words)
        .args(["serve", "--listen", "127.0.0.1:0", "--data-dir"])
        .arg(dir.join("data"))
        .arg("--config-dir")
        .arg(dir.join("config"))
        .arg("--plugin-cache")
        .arg(shared_cache(&options.program))
        .args(&options.args)
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("the program starts");
    let mut lines = BufReader::new(child.stdout.take().expect("its output")).lines();
    let line = tokio::time::timeout(Duration::from_secs(START_SECONDS_MAX), lines.next_line()).await;
    let line = line.expect("it is up in time").expect("readable").expect("it says where it listens");
    let base = line.strip_prefix("weir listening on ").unwrap_or_else(|| panic!("not understood: {line}"));
    (child, Client::new(base.to_owned()))
}
