//! `weir plugin …`: the tools of those who write plugins and of those who run them. One file a command. Commands on a file
//! need no server: the file goes through the server's own pipeline here. It is no second way to load: nothing serves.

mod action;
mod bench;
mod build;
mod check;
mod component;
mod inspect;
mod install;
mod list;
mod new;
mod output;
mod sign;
mod test;

use super::Failure;
pub use output::{count, table};

#[derive(Debug, clap::Subcommand)]
pub enum PluginCommand {
    /// Make a project that builds
    New(new::NewArgs),
    /// Build a project, and check what it made
    Build(build::BuildArgs),
    /// Load a component as a server would, and say what it is or why it is refused
    Check(check::CheckArgs),
    /// Measure what a component costs
    Bench(bench::BenchmarkArgs),
    /// Fetch a component, compare its digest, try it, and put it into a plugin directory
    Install(install::InstallArgs),
    /// List the plugins of a server
    List(super::client::ListArgs),
    /// Show all that a server knows of one plugin
    Inspect(inspect::InspectArgs),
    /// Call a plugin no more, until it is resumed
    Pause(action::ActionArgs),
    /// Call a paused plugin again
    Resume(action::ActionArgs),
    /// Take the file of the directory as it is now, even one that waits or was rolled back
    Reload(action::ActionArgs),
    /// Go back to the generation before
    Rollback(action::ActionArgs),
    /// Make a key to sign components with
    Keygen(sign::KeygenArgs),
    /// Sign a component, into FILE.sig
    Sign(sign::SignArgs),
    /// Run given/when/then files against a component
    Test(test::TestArgs),
}

pub async fn run(command: PluginCommand) -> Result<(), Failure> {
    match command {
        PluginCommand::New(args) => new::run(args).await,
        PluginCommand::Build(args) => build::run(args).await,
        PluginCommand::Check(args) => check::run(args).await,
        PluginCommand::Bench(args) => bench::run(args).await,
        PluginCommand::Install(args) => install::run(args).await,
        PluginCommand::List(args) => list::run(args).await,
        PluginCommand::Inspect(args) => inspect::run(args).await,
        PluginCommand::Pause(args) => action::run(args, "pause").await,
        PluginCommand::Resume(args) => action::run(args, "resume").await,
        PluginCommand::Reload(args) => action::run(args, "reload").await,
        PluginCommand::Rollback(args) => action::run(args, "rollback").await,
        PluginCommand::Keygen(args) => sign::keygen(args),
        PluginCommand::Sign(args) => sign::sign(args),
        PluginCommand::Test(args) => test::run(args).await,
    }
}

#[cfg(test)]
mod tests;
