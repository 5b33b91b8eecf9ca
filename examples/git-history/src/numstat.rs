//! Reads what `git log --numstat` prints in the format below. The line of a commit begins with NUL, which neither a file
//! name nor an author nor a subject can contain, so nothing in a history can pass for another commit.

use std::io::BufRead;

use serde::Serialize;

use crate::Failure;

/// A commit is one line: hash, time of the author in UTC, author, subject. Its files follow, a line each.
pub const FORMAT: &str = "--format=%x00%H%x00%ad%x00%an%x00%s";

/// What is published of a commit.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Commit {
    pub hash: String,
    /// RFC 3339, in UTC.
    pub time: String,
    pub author: String,
    pub subject: String,
    pub files: u64,
    pub insertions: u64,
    pub deletions: u64,
}

/// Commits, read one by one: a history may be larger than memory.
pub struct Commits<R> {
    reader: R,
    /// The commit whose files are being read.
    open: Option<Commit>,
}

impl<R: BufRead> Commits<R> {
    pub fn new(reader: R) -> Self {
        Self { reader, open: None }
    }

    /// The next line without its end. Bytes that are no UTF-8, in very old names, become replacement characters.
    fn line(&mut self) -> Result<Option<String>, std::io::Error> {
        let mut line = Vec::new();
        if self.reader.read_until(b'\n', &mut line)? == 0 {
            return Ok(None);
        }
        let line = line.strip_suffix(b"\n").unwrap_or(&line);
        Ok(Some(String::from_utf8_lossy(line).into_owned()))
    }
}

impl<R: BufRead> Iterator for Commits<R> {
    type Item = Result<Commit, Failure>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let line = match self.line() {
                Ok(Some(line)) => line,
                Ok(None) => return self.open.take().map(Ok),
                Err(error) => return Some(Err(error.into())),
            };
            let read = match line.strip_prefix('\0') {
                Some(head) => parse_commit(head).map(|commit| self.open.replace(commit)),
                None => add_file(self.open.as_mut(), &line).map(|()| None),
            };
            match read {
                Some(Some(complete)) => return Some(Ok(complete)),
                Some(None) => {}
                None => return Some(Err(format!("git printed a line that is not understood: {line:?}").into())),
            }
        }
    }
}

fn parse_commit(head: &str) -> Option<Commit> {
    let mut parts = head.splitn(4, '\0').map(str::to_owned);
    let (hash, time, author, subject) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    Some(Commit { hash, time, author, subject, ..Commit::default() })
}

/// `insertions TAB deletions TAB path`; both are `-` for a binary file. A rename has both names in its path.
fn add_file(commit: Option<&mut Commit>, line: &str) -> Option<()> {
    if line.is_empty() {
        return Some(());
    }
    let mut parts = line.splitn(3, '\t');
    let mut count = || match parts.next()? {
        "-" => Some(0),
        number => number.parse::<u64>().ok(),
    };
    let (insertions, deletions) = (count()?, count()?);
    parts.next().filter(|path| !path.is_empty())?;
    let commit = commit?;
    commit.files += 1;
    commit.insertions += insertions;
    commit.deletions += deletions;
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn commits(text: &str) -> Result<Vec<Commit>, Failure> {
        Commits::new(text.as_bytes()).collect()
    }

    fn one(text: &str) -> Commit {
        commits(text).expect("understood").pop().expect("a commit")
    }

    const HEAD: &str = "\0abc\x002026-01-31T10:20:30Z\0Ann\0Add it\n";

    #[test]
    fn files_are_counted_and_their_lines_added_up() {
        let commit = one(&format!("{HEAD}\n3\t1\tsrc/a.rs\n10\t0\tb c.txt\n"));
        assert_eq!((commit.files, commit.insertions, commit.deletions), (2, 13, 1));
        assert_eq!((&*commit.hash, &*commit.time), ("abc", "2026-01-31T10:20:30Z"));
        assert_eq!((&*commit.author, &*commit.subject), ("Ann", "Add it"));
    }

    #[test]
    fn a_rename_is_one_file() {
        let commit = one(&format!("{HEAD}\n1\t2\tsrc/{{old => new}}/a.rs\n0\t0\ta => b\n5\t0\t\"t\\tab => x\"\n"));
        assert_eq!((commit.files, commit.insertions, commit.deletions), (3, 6, 2));
    }

    #[test]
    fn a_binary_file_counts_without_lines() {
        let commit = one(&format!("{HEAD}\n-\t-\tlogo.png\n1\t1\ta\n"));
        assert_eq!((commit.files, commit.insertions, commit.deletions), (2, 1, 1));
    }

    #[test]
    fn commits_without_files_follow_each_other() {
        let read = commits(&format!("{HEAD}{HEAD}\n1\t0\ta\n{HEAD}")).expect("understood");
        assert_eq!(read.iter().map(|commit| commit.files).collect::<Vec<_>>(), [0, 1, 0]);
        assert_eq!(commits("").expect("understood"), []);
    }

    #[test]
    fn odd_authors_and_subjects_stay_as_they_are() {
        for (author, subject) in
            [("", ""), ("Zoë \"Z\" O'Neil, PhD <3", "1\t2\tno file"), ("李 雷", "a | b\u{1e}\u{1f}")]
        {
            let commit = one(&format!("\0abc\0t\0{author}\0{subject}\n\n1\t1\ta\n"));
            assert_eq!((&*commit.author, &*commit.subject, commit.files), (author, subject, 1));
        }
    }

    #[test]
    fn bytes_that_are_no_text_do_not_end_the_reading() {
        let read: Result<Vec<Commit>, Failure> = Commits::new(&b"\0abc\0t\0Andr\xe9\0s\n"[..]).collect();
        assert_eq!(read.expect("understood")[0].author, "Andr\u{fffd}");
    }

    #[test]
    fn what_is_not_understood_is_an_error() {
        for bad in ["1\t1\ta\n", "\0abc\0t\0Ann\n", &format!("{HEAD}x\t1\ta\n"), &format!("{HEAD}1\t1\n")] {
            assert!(commits(bad).is_err(), "{bad:?}");
        }
    }
}
