//! Builds the plugins that are not written in Rust: the examples, and those that try every kind of the contract. Their tools are
//! installed below `target/examples` and nowhere else; what the tools do is told in each language's README. A plugin whose inputs
//! did not change is not built again.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{fs, io};

use crate::run::{Failure, cargo_command, root};
use crate::tools::{Tools, failed, files, is_marked, make_folder, mark, write_files};

/// The crate of the same release as the SDK's wit-bindgen; the C compiler is pinned in `c/requirements.txt`.
const WIT_BINDGEN: &str = "0.61.0";
/// Other recipes make other plugins.
const RECIPES: [&str; 2] = [include_str!("examples.rs"), include_str!("tools.rs")];

/// Plugins that are written in every language. Each of `folders` has a folder a language; what lies beside a plugin's own source
/// is for all of them.
pub struct Family {
    folders: &'static [&'static str],
    pub dist: &'static str,
    /// TypeScript's project file.
    project: &'static str,
    plugins: &'static [Example],
}

struct Language {
    folder: &'static str,
    prefix: &'static str,
    install: fn(&Tools) -> Result<(), Failure>,
    compile: fn(&Language, &Family, &Example) -> Result<(), Failure>,
}

/// `name` is the source's stem as well; the compilers leave `build/<prefix>-<name>.wasm`.
struct Example {
    name: &'static str,
    world: &'static str,
}

const LANGUAGES: [Language; 3] = [
    Language { folder: "typescript", prefix: "ts", install: Tools::npm_install, compile: compile_typescript },
    Language { folder: "python", prefix: "python", install: Tools::pip_install, compile: compile_python },
    Language { folder: "c", prefix: "c", install: install_c, compile: compile_c },
];

pub const EXAMPLES: Family = Family {
    folders: &["plugins/examples"],
    dist: "plugins/examples/dist",
    project: "tsconfig.json",
    plugins: &[
        Example { name: "validator", world: "validator" },
        Example { name: "projection", world: "projection-with-queries" },
    ],
};

/// The kinds that the examples are not of. They use the examples' libraries.
pub const CONTRACT: Family = Family {
    folders: &["plugins/examples", "tests/contract"],
    dist: "tests/contract/dist",
    project: "contract.json",
    plugins: &[
        Example { name: "guard", world: "validator-with-guards" },
        Example { name: "upcaster", world: "upcaster" },
        Example { name: "decider", world: "decider" },
        Example { name: "manager", world: "process-manager" },
        Example { name: "sink", world: "sink" },
    ],
};

/// Builds what changed and puts it into the family's `dist`.
pub fn build(family: &Family) -> Result<(), Failure> {
    LANGUAGES.iter().try_for_each(|language| language.build(family))
}

impl Language {
    fn build(&self, family: &Family) -> Result<(), Failure> {
        let sources = Sources::read(self, family)?;
        let stale: Vec<_> = family.plugins.iter().filter(|example| !self.is_fresh(family, example, &sources)).collect();
        if !stale.is_empty() {
            sources.copy_to(&self.work())?;
            (self.install)(&self.tools())?;
        }
        for example in stale {
            (self.compile)(self, family, example)?;
            self.place(family, example).map_err(|error| failed(&self.placed(family, example), &error))?;
            mark(&self.tools().stamp(example.name), &sources.fingerprint(family, example))?;
        }
        family.plugins.iter().for_each(|example| self.show(family, example));
        Ok(())
    }

    fn is_fresh(&self, family: &Family, example: &Example, sources: &Sources) -> bool {
        let stamp = self.tools().stamp(example.name);
        self.placed(family, example).is_file() && is_marked(&stamp, &sources.fingerprint(family, example))
    }

    /// Written beside and renamed, because a server or a test may be reading the folder.
    fn place(&self, family: &Family, example: &Example) -> io::Result<()> {
        let placed = self.placed(family, example);
        let beside = placed.with_extension("wasm.part");
        fs::create_dir_all(root().join(family.dist))?;
        fs::copy(self.work().join(self.built(example)), &beside)?;
        fs::rename(&beside, &placed)
    }

    fn show(&self, family: &Family, example: &Example) {
        let bytes = fs::metadata(self.placed(family, example)).map_or(0, |file| file.len());
        eprintln!("  {}/{}-{}.wasm {} KB", family.dist, self.prefix, example.name, bytes / 1024);
    }

    fn built(&self, example: &Example) -> String {
        format!("build/{}-{}.wasm", self.prefix, example.name)
    }

    fn placed(&self, family: &Family, example: &Example) -> PathBuf {
        root().join(family.dist).join(format!("{}-{}.wasm", self.prefix, example.name))
    }

    /// Where it is built: a copy of the sources, with the tools beside them.
    fn work(&self) -> PathBuf {
        workshop().join(self.folder)
    }

    fn tools(&self) -> Tools {
        Tools { folder: self.work(), user: format!("the examples in {}", self.folder) }
    }
}

// TypeScript: the compiler and componentize-qjs, from npm.

fn compile_typescript(language: &Language, family: &Family, example: &Example) -> Result<(), Failure> {
    let tools = language.tools();
    let bin = language.work().join("node_modules/.bin");
    let mut compiler = Command::new(bin.join("tsc"));
    compiler.args(["--project", family.project]);
    tools.run(compiler, &format!("tsc --project {}", family.project))?;

    let mut componentize = Command::new(bin.join("componentize-qjs"));
    componentize.args(["--sync", "--wit", "../wit", "--world", example.world, "--module-root", "build"]);
    componentize.args(["--js", &format!("build/{}.js", example.name), "--output", &language.built(example)]);
    tools.run(componentize, &format!("componentize-qjs --world {} {}.js", example.world, example.name))
}

// Python: componentize-py, from PyPI.

fn compile_python(language: &Language, _: &Family, example: &Example) -> Result<(), Failure> {
    make_folder(&language.work().join("build"))?;
    let mut componentize = language.tools().python();
    componentize.args(["lib/bin/componentize-py", "--quiet", "--wit-path", "../wit", "--world", example.world]);
    componentize.args(["componentize", example.name, "--output", &language.built(example)]);
    language
        .tools()
        .run(componentize, &format!("componentize-py --world {} componentize {}", example.world, example.name))
}

// C: wit-bindgen, built from its crate, and Zig's C compiler, from PyPI.

fn install_c(tools: &Tools) -> Result<(), Failure> {
    tools.pip_install()?;
    tools.once("wit-bindgen", WIT_BINDGEN, || {
        let mut cargo = cargo_command();
        // Unoptimised, as it runs for a moment and is half the time to build.
        cargo.args(["install", "wit-bindgen-cli", "--version", WIT_BINDGEN, "--locked", "--debug"]);
        cargo.args(["--no-default-features", "--features", "c", "--root", "tools", "--quiet"]);
        tools.run(cargo, &format!("cargo install wit-bindgen-cli --version {WIT_BINDGEN} (about a minute, once)"))
    })
}

fn compile_c(language: &Language, _: &Family, example: &Example) -> Result<(), Failure> {
    let name = example.name;
    let bindings = format!("build/{name}");
    let mut bindgen = Command::new(language.work().join("tools/bin/wit-bindgen"));
    bindgen.args(["c", "../wit", "--world", example.world, "--rename-world", "plugin", "--out-dir", &bindings]);
    language.tools().run(bindgen, &format!("wit-bindgen c --world {}", example.world))?;

    let mut zig = language.tools().python();
    zig.args(["-m", "ziglang", "cc", "-target", "wasm32-wasi", "-mexec-model=reactor"]);
    zig.args(["-Os", "-s", "-Wall", "-Wextra"]);
    zig.args(["-I", ".", "-I", &bindings, &format!("{name}.c"), "json.c"]);
    zig.args([format!("{bindings}/plugin.c"), format!("{bindings}/plugin_component_type.o")]);
    zig.args(["-o", &language.built(example)]);
    zig.env("ZIG_GLOBAL_CACHE_DIR", "zig-cache").env("ZIG_LOCAL_CACHE_DIR", "zig-cache");
    language.tools().run(zig, &format!("zig cc -target wasm32-wasi {name}.c"))
}

/// The files of a language and the contract's.
struct Sources {
    own: Vec<(String, Vec<u8>)>,
    wit: Vec<(String, Vec<u8>)>,
}

impl Sources {
    fn read(language: &Language, family: &Family) -> Result<Self, Failure> {
        let own = family.folders.iter().map(|folder| files(&root().join(folder).join(language.folder)));
        let own = own.collect::<Result<Vec<_>, _>>()?.concat();
        Ok(Self { own, wit: files(&root().join("wit"))? })
    }

    /// Everything that this one is made from, which is not the source of another.
    fn fingerprint(&self, family: &Family, example: &Example) -> String {
        let is_of = |name: &str, example: &Example| name.split('.').next() == Some(example.name);
        let others = || [EXAMPLES.plugins, CONTRACT.plugins].into_iter().flatten();
        let of_another = |name: &str| others().any(|other| other.name != example.name && is_of(name, other));
        let own: Vec<_> = self.own.iter().filter(|(name, _)| !of_another(name)).collect();
        let mut hasher = DefaultHasher::new();
        (RECIPES, family.project, own, &self.wit).hash(&mut hasher);
        format!("{:016x}", hasher.finish())
    }

    /// The contract is copied anew, as a file that is gone from it would still count.
    fn copy_to(&self, work: &Path) -> Result<(), Failure> {
        let wit = workshop().join("wit");
        let _ = fs::remove_dir_all(&wit);
        write_files(work, &self.own)?;
        write_files(&wit, &self.wit)
    }
}

fn workshop() -> PathBuf {
    root().join("target/examples")
}
