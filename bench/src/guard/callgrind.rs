//! The server under callgrind, which runs it on a processor made of software and counts each instruction: some fifty times
//! slower, one thread at a time, and the same count whatever else the machine does. The kernel's work is not in it.

use std::path::{Path, PathBuf};
use std::process::Command;

use weir_bench::Failure;

use super::dump::{self, Counts};
use crate::weir::{self, Weir};

/// What is asked for when one of the programs is missing. `vgdb` comes with valgrind.
const MISSING: &str = "install valgrind (Debian: `apt install valgrind`)";

/// Seconds after which a command to valgrind has failed.
const ANSWER_SECONDS_MAX: u32 = 120;

/// Replaces the side-car of the schema plugin, whose calls may take 5 s: here a busy machine makes one longer than that.
const SIDECAR: (&str, &str) = ("schema.toml", "[limits]\ncall_timeout_ms = 600000\n");

pub struct Callgrind {
    weir: Weir,
    out: PathBuf,
    pipes: String,
    dumps: u32,
}

impl Callgrind {
    /// Starts the server in `dir`, not yet counting. `cache` keeps compiled plugins from run to run: those that a server
    /// compiles on the real processor are not for the one of software, and compiling there takes a minute.
    pub async fn start(binary: &Path, dir: &Path, cache: &Path) -> Result<Self, Failure> {
        let (dir, cache) = (absolute(dir)?, absolute(cache)?);
        let (out, pipes) = (dir.join("counts"), format!("--vgdb-prefix={}", dir.join("vgdb").display()));
        let plugins = absolute(&dir.join("config/plugins"))?;
        std::fs::write(plugins.join(SIDECAR.0), SIDECAR.1)?;
        let mut command = Command::new("valgrind");
        command.args(["--tool=callgrind", "--instr-atstart=no", "--quiet", &pipes]);
        // Compiled plugins are code that appears while the server runs.
        command.arg("--smc-check=all-non-file");
        // Looks for commands often, so that no thread has to be stopped from outside, which containers may forbid.
        command.arg("--vgdb-poll=200");
        command.arg(format!("--callgrind-out-file={}", out.display()));
        command.arg(weir::found(binary)?);
        // One worker: how threads share the work would be left to chance otherwise.
        command.env("TOKIO_WORKER_THREADS", "1").env("WEIR_PLUGIN_CACHE", cache).env_remove("VALGRIND_OPTS");
        let weir = Weir::start_as(command, &dir).await?;
        let started = Self { weir, out, pipes, dumps: 0 };
        started.tell("instrumentation on")?;
        Ok(started)
    }

    pub fn weir(&mut self) -> &mut Weir {
        &mut self.weir
    }

    /// Forgets what was counted so far.
    pub fn zero(&self) -> Result<(), Failure> {
        self.tell("zero")
    }

    /// What was counted since.
    pub fn counts(&mut self) -> Result<Counts, Failure> {
        self.tell("dump")?;
        self.dumps += 1;
        let path = self.out.with_file_name(format!("counts.{}", self.dumps));
        let text = std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        dump::parse(&text)
    }

    fn tell(&self, command: &str) -> Result<(), Failure> {
        let mut vgdb = Command::new("vgdb");
        vgdb.arg(&self.pipes).arg(format!("--pid={}", self.weir.server().pid()));
        vgdb.arg("--max-invoke-ms=0").arg(format!("--cmd-time-out={ANSWER_SECONDS_MAX}"));
        let done = vgdb.args(command.split(' ')).output().map_err(|error| format!("vgdb: {error}; {MISSING}"))?;
        if done.status.success() {
            return Ok(());
        }
        Err(format!("valgrind did not take '{command}': {}", String::from_utf8_lossy(&done.stderr).trim()).into())
    }
}

/// What valgrind says it is, or what to do about it.
pub fn version() -> Result<String, Failure> {
    let output = Command::new("valgrind").arg("--version").output();
    let output = output.map_err(|error| format!("valgrind does not start ({error}); {MISSING}"))?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn absolute(dir: &Path) -> Result<PathBuf, Failure> {
    std::fs::create_dir_all(dir).map_err(|error| format!("cannot make {}: {error}", dir.display()))?;
    Ok(dir.canonicalize()?)
}
