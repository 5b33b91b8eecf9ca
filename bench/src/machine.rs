//! Where figures come from: a figure without its machine is worth nothing.

use std::path::Path;
use std::process::Command;

use serde::Serialize;

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Machine {
    pub date: Option<String>,
    /// Of the working directory's repository; `-dirty` when files differ from it.
    pub commit: Option<String>,
    pub cores: usize,
    pub cpu: Option<String>,
    pub memory_kib: Option<u64>,
    pub kernel: Option<String>,
    /// Type and device of the file system that holds the data.
    pub file_system: Option<String>,
    pub load_average: Option<String>,
}

impl Machine {
    pub fn look(data_dir: &Path) -> Self {
        let cpu = read("/proc/cpuinfo").and_then(|text| value(&text, "model name"));
        let memory = read("/proc/meminfo").and_then(|text| value(&text, "MemTotal"));
        Self {
            date: said("date", &["-u", "+%Y-%m-%dT%H:%M:%SZ"]),
            commit: said("git", &["describe", "--always", "--dirty", "--exclude=*"]),
            cores: std::thread::available_parallelism().map_or(0, usize::from),
            cpu,
            memory_kib: memory.and_then(|text| text.trim_end_matches(" kB").parse().ok()),
            kernel: read("/proc/sys/kernel/osrelease").map(|text| text.trim().to_owned()),
            file_system: data_dir.canonicalize().ok().and_then(|dir| file_system(&read("/proc/self/mountinfo")?, &dir)),
            load_average: read("/proc/loadavg").map(|text| text.trim().to_owned()),
        }
    }

    /// One line for people.
    pub fn line(&self) -> String {
        let known = |text: &Option<String>| text.clone().unwrap_or_else(|| "unknown".to_owned());
        format!(
            "{} · {} cores, {} · Linux {} · {} · load {} · commit {}",
            known(&self.date),
            self.cores,
            known(&self.cpu),
            known(&self.kernel),
            known(&self.file_system),
            known(&self.load_average),
            known(&self.commit)
        )
    }
}

/// Those of the features that the processor has, in their order.
pub fn cpu_features(of: &[&str]) -> Vec<String> {
    let flags = read("/proc/cpuinfo").and_then(|text| value(&text, "flags")).unwrap_or_default();
    of.iter().filter(|name| flags.split(' ').any(|flag| flag == **name)).map(|name| (*name).to_owned()).collect()
}

fn read(path: &str) -> Option<String> {
    std::fs::read_to_string(path).ok()
}

/// What a program printed, or nothing if it is absent or fails.
pub fn said(program: &str, args: &[&str]) -> Option<String> {
    let output = Command::new(program).args(args).output().ok().filter(|output| output.status.success())?;
    Some(String::from_utf8_lossy(&output.stdout).trim().to_owned()).filter(|text| !text.is_empty())
}

/// The value of the first line `name : value`.
fn value(text: &str, name: &str) -> Option<String> {
    let pairs = text.lines().filter_map(|line| line.split_once(':'));
    pairs
        .map(|(key, value)| (key.trim(), value.trim()))
        .find(|(key, _)| *key == name)
        .map(|(_, value)| value.to_owned())
}

/// The mount with the longest path above `dir`; of two there, the later one covers the earlier.
fn file_system(mounts: &str, dir: &Path) -> Option<String> {
    let mount = |line: &str| {
        let (left, right) = line.split_once(" - ")?;
        let (place, mut kind) = (left.split(' ').nth(4)?.to_owned(), right.split(' '));
        let name = format!("{} on {}", kind.next()?, kind.next()?);
        dir.starts_with(&place).then_some((place.len(), name))
    };
    mounts.lines().filter_map(mount).max_by_key(|(length, _)| *length).map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_system_is_that_of_the_deepest_mount() {
        let mounts = "21 1 8:1 / / rw - ext4 /dev/a rw\n22 21 0:5 / /tmp rw,x shared:3 - tmpfs none rw\n";
        assert_eq!(file_system(mounts, Path::new("/tmp/x")).as_deref(), Some("tmpfs on none"));
        assert_eq!(file_system(mounts, Path::new("/tmpx")).as_deref(), Some("ext4 on /dev/a"));
    }

    #[test]
    fn values_are_found_by_name() {
        assert_eq!(value("processor\t: 0\nmodel name\t: A: b\n", "model name").as_deref(), Some("A: b"));
    }
}
