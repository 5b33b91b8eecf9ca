//! Runs git: the history as commits, and git's own numbers to compare with.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::Failure;
use crate::numstat::{Commit, Commits, FORMAT};
use crate::totals::{Numbers, Totals};

/// `git`, told to print alike whatever the user has configured.
fn git(repo: &Path, args: &[&str]) -> Command {
    let mut command = Command::new("git");
    command.arg("-C").arg(repo).args(["-c", "core.quotePath=true"]).args(args);
    command.env("TZ", "UTC").env("LC_ALL", "C").env("GIT_PAGER", "cat").stdin(Stdio::null());
    command
}

/// `git log` over all that HEAD reaches, the oldest first. Merges have no files: their changes are those of their parents.
fn log(repo: &Path, args: &[&str]) -> Command {
    let mut command = git(repo, &["log", "--reverse", "--encoding=UTF-8", "--date=format-local:%Y-%m-%dT%H:%M:%SZ"]);
    command.args(["--diff-merges=off", "--find-renames", "--no-ext-diff", "--no-textconv", "--no-color"]);
    command.args(["--no-show-signature", "--no-notes", "--no-mailmap", "--no-decorate"]).args(args);
    command
}

fn output(mut command: Command) -> Result<String, Failure> {
    let output = command.output().map_err(|error| format!("cannot run git: {error}"))?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).trim().to_owned().into());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Whether there is a history; an error where there is no repository.
fn has_commits(repo: &Path) -> Result<bool, Failure> {
    output(git(repo, &["rev-parse", "--git-dir"]))?;
    Ok(output(git(repo, &["rev-parse", "--verify", "--quiet", "HEAD"])).is_ok())
}

/// Commits as they come out of git. A git that fails makes the last item an error.
pub struct History {
    commits: Commits<Box<dyn BufRead>>,
    child: Option<Child>,
}

/// Says on stderr when there is no history, or only a part of it. Both are fine.
pub fn history(repo: &Path) -> Result<History, Failure> {
    if !has_commits(repo)? {
        eprintln!("git-history: {} has no commits yet, so there are no events", repo.display());
        return Ok(History { commits: Commits::new(Box::new(std::io::empty())), child: None });
    }
    if output(git(repo, &["rev-parse", "--is-shallow-repository"]))?.trim() == "true" {
        eprintln!("git-history: {} is a shallow clone; only the commits that it has are counted", repo.display());
    }
    let child = log(repo, &["--numstat", FORMAT]).stdout(Stdio::piped()).spawn();
    let mut child = child.map_err(|error| format!("cannot run git: {error}"))?;
    let stdout = child.stdout.take().ok_or("git has no stdout")?;
    Ok(History { commits: Commits::new(Box::new(BufReader::new(stdout))), child: Some(child) })
}

impl Iterator for History {
    type Item = Result<Commit, Failure>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(commit) = self.commits.next() {
            return Some(commit);
        }
        match self.child.take()?.wait() {
            Ok(status) if status.success() => None,
            Ok(status) => Some(Err(format!("git log failed: {status}").into())),
            Err(error) => Some(Err(error.into())),
        }
    }
}

impl Drop for History {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// What git itself counts, in another way than the events were made: `--shortstat` adds up inside git.
pub fn own_numbers(repo: &Path) -> Result<Totals, Failure> {
    let mut totals = Totals::default();
    if !has_commits(repo)? {
        return Ok(totals);
    }
    let mut author = String::new();
    for line in output(log(repo, &["--shortstat", "--format=%x00%an"]))?.lines() {
        match line.strip_prefix('\0') {
            Some(name) => {
                author = name.to_owned();
                totals.add(&author, Numbers { commits: 1, ..Numbers::default() });
            }
            None => totals.add(&author, shortstat(line)?),
        }
    }
    let commits: u64 = output(git(repo, &["rev-list", "--count", "HEAD"]))?.trim().parse()?;
    if commits != totals.all.commits {
        return Err(format!("git log shows {} commits, git rev-list counts {commits}", totals.all.commits).into());
    }
    Ok(totals)
}

/// ` 2 files changed, 3 insertions(+), 1 deletion(-)`, or any part of it.
fn shortstat(line: &str) -> Result<Numbers, Failure> {
    let mut numbers = Numbers::default();
    for (number, what) in line.split(',').filter_map(|part| part.trim().split_once(' ')) {
        let number = number.parse()?;
        match what.trim_end_matches("(+)").trim_end_matches("(-)") {
            "file changed" | "files changed" => numbers.files = number,
            "insertion" | "insertions" => numbers.insertions = number,
            "deletion" | "deletions" => numbers.deletions = number,
            _ => return Err(format!("git printed a line that is not understood: {line:?}").into()),
        }
    }
    Ok(numbers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shortstat_is_read_in_singular_and_plural() {
        let read = |line: &str| shortstat(line).map(|it| (it.files, it.insertions, it.deletions)).expect("understood");
        assert_eq!(read(" 2 files changed, 3 insertions(+), 1 deletion(-)"), (2, 3, 1));
        assert_eq!(read(" 1 file changed, 12 deletions(-)"), (1, 0, 12));
        assert_eq!(read(" 1 file changed, 0 insertions(+), 0 deletions(-)"), (1, 0, 0));
        assert_eq!(read(""), (0, 0, 0));
        assert!(shortstat(" 1 moon changed").is_err());
    }
}
