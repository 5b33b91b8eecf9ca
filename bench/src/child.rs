//! A server as a child process that never outlives the bench, and a directory that goes with it.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};
use tokio::sync::oneshot;
use weir_bench::Failure;

/// Of what a program said before it ended.
const WORDS_BYTES_MAX: usize = 1_000;

/// A first start compiles plugins, which takes a minute where instructions are counted; one without its index makes it anew.
const START_MAX: Duration = Duration::from_secs(600);

/// A server that said where it listens.
pub struct Server {
    process: Process,
    pub address: SocketAddr,
}

/// Killed when dropped.
struct Process {
    child: Child,
    /// Asks it to stop first: one that is killed with this would leave something behind.
    gentle: Option<Signal>,
}

/// How long a process may take that was asked to stop.
const STOP_MAX: Duration = Duration::from_secs(5);

/// Looks for one that was told to stop and is waited for, a millisecond apart.
const STOP_LOOKS_MAX: usize = 60_000;

impl Drop for Process {
    fn drop(&mut self) {
        if let Some(signal) = self.gentle {
            self.ask(signal);
        }
        // Both fail only when it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Process {
    fn start(command: &mut Command) -> Result<Self, Failure> {
        let program = command.get_program().to_string_lossy().into_owned();
        let child = command.spawn().map_err(|error| format!("cannot start {program}: {error}"))?;
        Ok(Self { child, gentle: None })
    }

    fn ask(&mut self, signal: Signal) {
        let _ = rustix::process::kill_process(Pid::from_child(&self.child), signal);
        let asked = Instant::now();
        while asked.elapsed() < STOP_MAX && matches!(self.child.try_wait(), Ok(None)) {
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Server {
    /// Starts a process and waits for the line `… listening on http://ADDR` on its stdout. Who stops waiting ends it.
    pub async fn start(command: &mut Command) -> Result<Self, Failure> {
        let program = command.get_program().to_string_lossy().into_owned();
        let mut process = Process::start(command.stdin(Stdio::piped()).stdout(Stdio::piped()))?;
        let stdout = process.child.stdout.take().ok_or("a child has no stdout")?;
        let (told, address) = oneshot::channel();
        std::thread::spawn(move || {
            let mut told = Some(told);
            // Reads on after the address, so that the child never waits for a full pipe.
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if let Some((_, address)) = line.split_once(" listening on http://")
                    && let Some(told) = told.take()
                {
                    let _ = told.send(address.trim().parse::<SocketAddr>());
                }
            }
        });
        match tokio::time::timeout(START_MAX, address).await {
            Ok(Ok(Ok(address))) => Ok(Self { process, address }),
            Ok(Ok(Err(error))) => Err(format!("{program} says an address that is none: {error}").into()),
            Ok(Err(_)) | Err(_) => Err(format!("{program} did not say 'listening on http://…'").into()),
        }
    }

    /// Starts a program of others, which was told to listen on `address`, and knocks until it opens. What it says goes
    /// into a file in `dir`, and is shown if it ends.
    pub async fn start_at(address: SocketAddr, command: &mut Command, dir: &Path) -> Result<Self, Failure> {
        let words = dir.join("words");
        let out = File::options().create(true).append(true).open(&words)?;
        let err = out.try_clone()?;
        let mut process = Process::start(command.stdin(Stdio::null()).stdout(out).stderr(err))?;
        let started = Instant::now();
        while started.elapsed() < START_MAX {
            if tokio::net::TcpStream::connect(address).await.is_ok() {
                return Ok(Self { process, address });
            }
            if let Some(status) = process.child.try_wait()? {
                let words = std::fs::read(&words)?;
                let last = String::from_utf8_lossy(&words[words.len().saturating_sub(WORDS_BYTES_MAX)..]);
                return Err(format!("{command:?} ended ({status}); it said: {last}").into());
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Err(format!("{command:?} did not listen on {address}").into())
    }

    /// Asks it to stop with this signal before it is killed.
    pub fn stop_gently(mut self, signal: Signal) -> Self {
        self.process.gentle = Some(signal);
        self
    }

    /// Asks it to stop, and waits until it has. Dropping it is `kill -9`.
    pub fn stop(mut self) -> Result<(), Failure> {
        let child = &mut self.process.child;
        rustix::process::kill_process(Pid::from_child(child), Signal::TERM)?;
        // Looks are counted and not time: the whole machine may have been paused.
        for _ in 0..STOP_LOOKS_MAX {
            if child.try_wait()?.is_some() {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        Err("the server does not stop".into())
    }

    pub fn pid(&self) -> u32 {
        self.process.child.id()
    }
}

/// A directory that is removed when dropped.
pub struct Scratch(PathBuf);

impl Scratch {
    pub fn new(parent: &Path, name: &str) -> Result<Self, Failure> {
        let path = parent.join(format!("{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).map_err(|error| format!("cannot make {}: {error}", path.display()))?;
        Ok(Self(path))
    }

    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.0) {
            eprintln!("weir-bench: {} was not removed: {error}", self.0.display());
        }
    }
}
