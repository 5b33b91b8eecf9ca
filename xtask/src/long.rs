//! The long forms of seeded tests: ordinary tests that are ignored otherwise, with seeds or a time from the command line.

use crate::run::{Failure, cargo_command, finish};

/// `--name value` pairs as environment variables of the test.
type Options = &'static [(&'static str, &'static str)];

/// Random histories of a store on a bad disk.
pub fn histories(args: &[String]) -> Result<(), Failure> {
    const OPTIONS: Options = &[("--seed", "WEIR_HISTORIES_SEED"), ("--count", "WEIR_HISTORIES_COUNT")];
    test("storage::redb::tests::histories::many_random_histories_on_a_bad_disk_end_as_in_memory", OPTIONS, args)
}

/// Mutated bytes for every parser, without a fuzzer's eyes but on any toolchain. See fuzz/README.md.
pub fn fuzz(args: &[String]) -> Result<(), Failure> {
    const OPTIONS: Options =
        &[("--seconds", "WEIR_FUZZ_SECONDS"), ("--target", "WEIR_FUZZ_TARGET"), ("--seed", "WEIR_FUZZ_SEED")];
    test("fuzzing::tests::many_mutated_bytes_make_no_parser_panic", OPTIONS, args)
}

/// Optimised as the tests are, with their checks for overflow.
fn test(name: &str, options: Options, args: &[String]) -> Result<(), Failure> {
    let mut command = cargo_command();
    // Unlike `cargo test`, nextest fails when there is no such test.
    command.args(["nextest", "run", "--workspace", "--no-capture", "--run-ignored", "only"]);
    command.args(["--filter-expr", &format!("package(weir) & test(={name})")]);
    for pair in args.chunks(2) {
        let (option, variable) = options.iter().find(|(option, _)| *option == pair[0]).ok_or_else(|| {
            let known = options.iter().map(|(option, _)| *option).collect::<Vec<_>>().join(", ");
            Failure::new(format!("'{}' is no option here; there are {known}", pair[0]))
        })?;
        let value = pair.get(1).ok_or_else(|| Failure::new(format!("{option} needs a value")))?;
        command.env(variable, value);
    }
    finish(command, &format!("{name} {}", args.join(" ")))
}
