//! `weir fetch`: brings the files of a deployment that are kept elsewhere, as a server would when it starts.

use std::path::PathBuf;

use super::Failure;
use crate::artifacts::{Artifacts, Gathered};

#[derive(Debug, clap::Args)]
pub struct FetchArgs {
    /// Directory of artifacts.toml, topics/ and plugins/
    #[arg(long, value_name = "DIR", env = "CONFIG_DIR", default_value = "config")]
    config_dir: PathBuf,
    /// Directory of components and side-cars [default: plugins in the config directory]
    #[arg(long, value_name = "DIR", env = "WEIR_PLUGINS")]
    plugins: Option<PathBuf>,
    /// Fetch nothing; fail if something is missing or has another digest
    #[arg(long)]
    check: bool,
}

pub async fn run(args: FetchArgs) -> Result<(), Failure> {
    let plugins = args.plugins.unwrap_or_else(|| args.config_dir.join("plugins"));
    let artifacts = Artifacts::of(&args.config_dir, &plugins)?;
    let Gathered { fetched, kept } = if args.check { artifacts.check()? } else { artifacts.gather().await? };
    println!("{fetched} fetched, {kept} there already");
    Ok(())
}
