//! Sums over commits: of all, and of each author.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;

/// Read from an event's payload, which has no `commits`: it is one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
pub struct Numbers {
    #[serde(skip)]
    pub commits: u64,
    pub files: u64,
    pub insertions: u64,
    pub deletions: u64,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Totals {
    pub all: Numbers,
    authors: BTreeMap<String, Numbers>,
}

/// Rows of the table; the other authors are one more.
const AUTHORS_SHOWN: usize = 20;

impl Totals {
    pub fn add(&mut self, author: &str, numbers: Numbers) {
        self.all += numbers;
        // Looked up first, as most authors are known already and need no new name.
        match self.authors.get_mut(author) {
            Some(sum) => *sum += numbers,
            None => {
                self.authors.insert(author.to_owned(), numbers);
            }
        }
    }
}

impl std::ops::AddAssign for Numbers {
    fn add_assign(&mut self, other: Self) {
        self.commits += other.commits;
        self.files += other.files;
        self.insertions += other.insertions;
        self.deletions += other.deletions;
    }
}

impl fmt::Display for Totals {
    /// A table: the authors with the most commits, the others together, and all.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut authors: Vec<(&str, Numbers)> = self.authors.iter().map(|(name, sum)| (&**name, *sum)).collect();
        authors.sort_by_key(|(_, sum)| std::cmp::Reverse(sum.commits));
        let mut others = Numbers::default();
        authors.iter().skip(AUTHORS_SHOWN).for_each(|(_, sum)| others += *sum);
        writeln!(f, "{:<30} {:>9} {:>9} {:>11} {:>11}", "author", "commits", "files", "insertions", "deletions")?;
        for (name, sum) in authors.iter().take(AUTHORS_SHOWN) {
            row(f, name, *sum)?;
        }
        if authors.len() > AUTHORS_SHOWN {
            row(f, &format!("{} others", authors.len() - AUTHORS_SHOWN), others)?;
        }
        row(f, &format!("all {} author(s)", authors.len()), self.all)
    }
}

fn row(f: &mut fmt::Formatter<'_>, name: &str, sum: Numbers) -> fmt::Result {
    let Numbers { commits, files, insertions, deletions } = sum;
    writeln!(f, "{name:<30.30} {commits:>9} {files:>9} {insertions:>11} {deletions:>11}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn authors_add_up_to_all_and_the_table_stays_short() {
        let mut totals = Totals::default();
        for i in 0..30 {
            totals.add(&format!("a{}", i % 25), Numbers { commits: 1, files: 2, insertions: i, deletions: 0 });
        }
        assert_eq!(totals.all, Numbers { commits: 30, files: 60, insertions: 435, deletions: 0 });
        let table = totals.to_string();
        assert_eq!(table.lines().count(), 1 + AUTHORS_SHOWN + 2);
        assert!(table.contains("\n5 others ") && table.contains("\nall 25 author(s) "), "{table}");
    }
}
