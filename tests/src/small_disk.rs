//! A small file system, for stories of a full disk: a tmpfs in a mount namespace of its own, which takes no rights but to make
//! user namespaces. Programs are run inside through `enter`; the story sees the files through `/proc`.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

/// It is gone when this is dropped.
pub struct SmallDisk {
    /// Keeps the namespace: it waits for an end of its input that never comes.
    holder: Child,
    dir: PathBuf,
}

const MOUNT: &str = r#"mount -t tmpfs -o "size=$1m" none "$0" && echo mounted && exec cat"#;

impl SmallDisk {
    /// Mounts one over a directory; the reason if that can't be done on this machine.
    pub async fn mount(dir: &Path, mebibytes: u64) -> Result<Self, String> {
        let mut holder = Command::new("unshare")
            .args(["--user", "--map-root-user", "--mount", "sh", "-c", MOUNT])
            .arg(dir)
            .arg(mebibytes.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| format!("unshare: {error}"))?;
        let output = holder.stdout.take().ok_or("no output")?;
        let said = BufReader::new(output).lines().next_line().await.map_err(|error| error.to_string())?;
        let mounted = said.is_some_and(|line| line == "mounted");
        if mounted { Ok(Self { holder, dir: dir.to_owned() }) } else { Err("unshare or mount was refused".into()) }
    }

    fn pid(&self) -> String {
        self.holder.id().expect("it waits").to_string()
    }

    /// The words before a command that is to see this file system.
    pub fn enter(&self) -> Vec<String> {
        let pid = self.pid();
        ["nsenter", "--target", &pid, "--user", "--mount", "--preserve-credentials", "--"].map(str::to_owned).into()
    }

    fn root(&self) -> PathBuf {
        Path::new("/proc").join(self.pid()).join("root").join(self.dir.strip_prefix("/").expect("an absolute path"))
    }

    /// Bytes that may still be written.
    pub fn free(&self) -> u64 {
        let found = rustix::fs::statvfs(self.root()).expect("it is mounted");
        found.f_bavail * found.f_frsize
    }

    /// Writes a file until so many bytes are free at most.
    pub fn fill_up(&self, name: &str, leave: u64) {
        let file = std::fs::File::create(self.root().join(name)).expect("a file");
        let wanted = self.free().saturating_sub(leave);
        let filled = rustix::fs::fallocate(&file, rustix::fs::FallocateFlags::empty(), 0, wanted.max(1));
        filled.map_err(io::Error::from).expect("there was room");
    }

    /// Takes back the room that files of a directory were given ahead of what is written in them: whoever writes there needs
    /// it anew. To them the files look as before.
    pub fn take_room_back(&self, dir: &str) {
        const PAGE: u64 = 4096;
        for entry in std::fs::read_dir(self.root().join(dir)).expect("a directory") {
            let path = entry.expect("an entry").path();
            let bytes = std::fs::read(&path).expect("readable");
            let written = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last as u64 + 1);
            let from = written.next_multiple_of(PAGE);
            let file = std::fs::File::options().write(true).open(&path).expect("a file");
            if let Some(room) = (bytes.len() as u64).checked_sub(from).filter(|room| *room > 0) {
                let how = rustix::fs::FallocateFlags::PUNCH_HOLE | rustix::fs::FallocateFlags::KEEP_SIZE;
                rustix::fs::fallocate(&file, how, from, room).map_err(io::Error::from).expect("a hole");
            }
        }
    }

    pub fn remove(&self, name: &str) {
        std::fs::remove_file(self.root().join(name)).expect("it was there");
    }
}
