//! `weir plugin …`: the tools of those who write plugins and of those who run them. One file a command. Commands on a file
//! need no server: the file goes through the server's own pipeline here. It is no second way to load: nothing serves.

mod bench;
mod check;
mod component;
mod output;
mod test;

use super::Failure;

#[derive(Debug, clap::Subcommand)]
pub enum PluginCommand {
    /// Load a component as a server would, and say what it is or why it is refused
    Check(check::CheckArgs),
    /// Measure what a component costs
    Bench(bench::BenchmarkArgs),
    /// Run given/when/then files against a component
    Test(test::TestArgs),
}

pub async fn run(command: PluginCommand) -> Result<(), Failure> {
    match command {
        PluginCommand::Check(args) => check::run(args).await,
        PluginCommand::Bench(args) => bench::run(args).await,
        PluginCommand::Test(args) => test::run(args).await,
    }
}

#[cfg(test)]
mod tests;
