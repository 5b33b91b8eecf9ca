//! A server as a child process that never outlives the bench, and a directory that goes with it.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tokio::sync::oneshot;
use weir_bench::Failure;

/// A first start compiles plugins: seconds, or a minute where instructions are counted, and more on a busy machine.
const START_MAX: Duration = Duration::from_secs(600);

/// A server that said where it listens.
pub struct Server {
    process: Process,
    pub address: SocketAddr,
}

/// Killed when dropped.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail only when it has ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Server {
    /// Starts a process and waits for the line `… listening on http://ADDR` on its stdout. Who stops waiting ends it.
    pub async fn start(command: &mut Command) -> Result<Self, Failure> {
        let program = command.get_program().to_string_lossy().into_owned();
        let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut process = Process(child.map_err(|error| format!("cannot start {program}: {error}"))?);
        let stdout = process.0.stdout.take().ok_or("a child has no stdout")?;
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

    pub fn pid(&self) -> u32 {
        self.process.0.id()
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
