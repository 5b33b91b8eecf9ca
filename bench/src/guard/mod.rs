//! `weir-bench guard`: how many instructions a publish takes, beside the committed figures. One connection sends one request
//! after the other, so that each is a commit of its own and all do the same. Time has no part in it: it is neither a
//! throughput nor what the kernel and the disk do.

mod baseline;
mod callgrind;
mod count;
mod dump;
mod layers;

use std::path::PathBuf;

use weir_bench::Failure;
use weir_bench::machine;

use crate::child::Scratch;
use baseline::{Baseline, Baselines, Made, Verdict};
use callgrind::Callgrind;
use count::{CASES, Counted};

#[derive(Debug, clap::Args)]
pub struct GuardArgs {
    /// Write the figures as the new baseline
    #[arg(long)]
    update: bool,
    /// Show also where the instructions are, layer by layer
    #[arg(long)]
    profile: bool,
    /// The server's binary
    #[arg(long, value_name = "PATH", default_value = "target/release/weir")]
    weir: PathBuf,
    /// How it was built: the name of its figures in the baseline
    #[arg(long, value_name = "NAME", default_value = "release")]
    build: String,
    /// The committed figures
    #[arg(long, value_name = "FILE", default_value = "bench/guard.json")]
    baseline: PathBuf,
    /// Directory for the run's data, and for compiled plugins, which stay for the next run
    #[arg(long, value_name = "DIR", default_value = "target/bench")]
    data_dir: PathBuf,
}

pub async fn run(args: GuardArgs) -> Result<(), Failure> {
    let made = made()?;
    let counted = count(&args).await?;
    for one in &counted {
        println!("{one}");
    }
    if args.profile {
        print!("\n{}", count::profile(&counted));
    }
    let figures = counted.iter().flat_map(Counted::figures).collect();
    let now = Baseline { made, figures };
    let mut baselines = Baselines::read(&args.baseline)?;
    if args.update {
        baselines.put(&args.build, now);
        baselines.write(&args.baseline)?;
        println!("\nnew baseline of the build '{}': {}", args.build, args.baseline.display());
        return Ok(());
    }
    println!();
    judge(&args.build, baselines.of(&args.build)?, &now)
}

async fn count(args: &GuardArgs) -> Result<Vec<Counted>, Failure> {
    let scratch = Scratch::new(&args.data_dir, "guard")?;
    // Dropped before its directory, as it was made after it.
    let mut server = Callgrind::start(&args.weir, scratch.path(), &args.data_dir.join("guard-plugins")).await?;
    let mut counted = Vec::new();
    for case in CASES {
        counted.push(Counted::count(case, &mut server).await?);
    }
    Ok(counted)
}

/// Says how each figure stands to its baseline; an error if one is too high.
fn judge(build: &str, before: &Baseline, now: &Baseline) -> Result<(), Failure> {
    if before.made.arch != now.made.arch {
        println!("not compared: the baseline is of {}, this is {}", before.made.arch, now.made.arch);
        return Ok(());
    }
    for difference in baseline::differences(&before.made, &now.made) {
        println!("note: {difference}");
    }
    let update = format!("`cargo xtask bench guard --build {build} --update`");
    let mut wrong = Vec::new();
    for compared in baseline::compare(&before.figures, &now.figures)? {
        println!("{compared}");
        match compared.verdict() {
            Verdict::Same => {}
            Verdict::Fewer => println!("  more than 10 % fewer: commit it as the new baseline ({update})"),
            Verdict::More => wrong.push(format!("more than 10 % above the baseline: {compared}")),
            Verdict::Unknown => wrong.push(compared.to_string()),
        }
    }
    if wrong.is_empty() {
        return Ok(());
    }
    Err(format!("{}; if that is meant, commit it as the new baseline ({update})", wrong.join("; ")).into())
}

fn made() -> Result<Made, Failure> {
    let compiler = std::env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned());
    Ok(Made {
        arch: std::env::consts::ARCH.to_owned(),
        compiler: machine::said(&compiler, &["--version"]).unwrap_or_else(|| "unknown".to_owned()),
        valgrind: callgrind::version()?,
        cpu: machine::cpu_features(CPU_FEATURES),
    })
}

/// What valgrind passes on to programs, and they choose by.
const CPU_FEATURES: &[&str] = &["sse4_2", "popcnt", "pclmulqdq", "avx", "avx2", "bmi1", "bmi2", "fma", "abm", "erms"];

#[cfg(test)]
mod tests {
    use super::*;

    fn baseline(arch: &str, count: u64) -> Baseline {
        let made = Made { arch: arch.into(), compiler: "c".into(), valgrind: "v".into(), cpu: Vec::new() };
        Baseline { made, figures: [("open topic".to_owned(), count)].into() }
    }

    #[test]
    fn what_is_too_high_is_named_with_both_counts_and_the_way_to_accept_it() {
        let error = judge("test", &baseline("a", 1000), &baseline("a", 1200)).expect_err("too high").to_string();
        for part in ["open topic", "1200", "1000", "+20.0 %", "--build test --update"] {
            assert!(error.contains(part), "{part} in: {error}");
        }
        assert!(judge("test", &baseline("a", 1000), &baseline("a", 500)).is_ok());
    }

    #[test]
    fn another_processor_family_is_not_compared() {
        assert!(judge("test", &baseline("a", 1), &baseline("b", 1000)).is_ok());
    }
}
