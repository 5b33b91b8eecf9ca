//! A plugin from nothing to a running server, by the commands that the documents print: new, build, check, test, drop in.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::{ServerOptions, TestServer, eventually};

/// Every kind and language that there is a template for.
pub const PROJECTS: [(&str, &str); 15] = [
    ("validator", "rust"),
    ("upcaster", "rust"),
    ("decider", "rust"),
    ("projection", "rust"),
    ("process-manager", "rust"),
    ("sink", "rust"),
    ("validator", "typescript"),
    ("projection", "typescript"),
    ("sink", "typescript"),
    ("validator", "python"),
    ("projection", "python"),
    ("sink", "python"),
    ("validator", "c"),
    ("projection", "c"),
    ("sink", "c"),
];

/// Makes, builds, checks, tests and drops in each of the projects. `target` is where Rust projects share what they compile.
///
/// # Panics
/// When a command fails, or a plugin does not come to serve.
pub async fn projects(options: ServerOptions, projects: &[(&str, &str)], target: &Path) -> Vec<(String, Duration)> {
    let program = std::path::absolute(&options.program).expect("the program's path");
    let server = TestServer::start(options).await;
    let folder = tempfile::tempdir().expect("a directory");
    let mut times = Vec::new();
    for (kind, language) in projects {
        let started = Instant::now();
        let name = format!("my-{language}-{kind}");
        let project = folder.path().join(&name);
        let weir = |args: &[&str]| {
            let mut command = Command::new(&program);
            command.arg("plugin").args(args).current_dir(folder.path()).env("CARGO_TARGET_DIR", target);
            let output = command.output().expect("the program runs");
            let (out, error) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
            assert!(output.status.success(), "weir plugin {}:\n{out}\n{error}", args.join(" "));
            println!("$ weir plugin {}\n{out}", args.join(" "));
        };
        weir(&["new", &name, "--kind", kind, "--lang", language]);
        weir(&["build", &name]);
        let component = project.join("build").join(format!("{name}.wasm"));
        let file = component.to_str().expect("a path");
        weir(&["check", file]);
        weir(&["test", file, project.join("plugin.test.toml").to_str().expect("a path")]);
        std::fs::copy(&component, server.plugins_dir().join(format!("{name}.wasm"))).expect("dropped in");
        eventually("it serves", 120, async || {
            let shown = server.client.get(&format!("/plugins/{name}")).await;
            let shown = (shown.status == 200).then(|| shown.json())?;
            assert!(shown["state"] != "failed", "{shown}");
            (shown["state"] == "active" && shown["serving"]["kind"] == *kind).then_some(())
        })
        .await;
        times.push((name, started.elapsed()));
    }
    times
}
