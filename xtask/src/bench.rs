//! Measurements: builds what is measured and what measures, each by itself, so that neither changes the features of the
//! other's dependencies.

use crate::run::{Failure, cargo};

pub fn run(args: &[String]) -> Result<(), Failure> {
    if let Some(("plugins", rest)) = args.split_first().map(|(first, rest)| (first.as_str(), rest)) {
        return cargo(&["run", "--release", "-p", "weir-bench-plugins", "--"], rest);
    }
    cargo(&["build", "--release", "-p", "weir"], &[])?;
    cargo(&["run", "--release", "-p", "weir-bench", "--"], args)
}
