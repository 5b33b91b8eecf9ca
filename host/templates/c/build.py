"""Builds the plugin. The tools (Zig's C compiler, wit-bindgen) are installed below `.venv` when they are not there yet."""

import os
import subprocess
import sys

BINDGEN = os.path.join(".venv", "bin", "wit-bindgen")
PYTHON = os.path.join(".venv", "bin", "python")


def run(*command, **env):
    subprocess.run(command, check=True, env=dict(os.environ, **env))


os.chdir(os.path.dirname(os.path.abspath(__file__)))
if not os.path.exists(PYTHON):
    run(sys.executable, "-m", "venv", ".venv")
    run(os.path.join(".venv", "bin", "pip"), "install", "--quiet", "-r", "requirements.txt")
if not os.path.exists(BINDGEN):
    install = ["cargo", "install", "wit-bindgen-cli", "--version", "0.61.0", "--locked", "--quiet"]
    run(*install, "--no-default-features", "--features", "c", "--root", ".venv")
run(BINDGEN, "c", "vendor/wit", "--world", "{{world}}", "--rename-world", "plugin", "--out-dir", "build/bindings")
run(
    *[PYTHON, "-m", "ziglang", "cc", "-target", "wasm32-wasi", "-mexec-model=reactor", "-Os", "-s", "-Wall", "-Wextra"],
    *["-I", ".", "-I", "build/bindings", "plugin.c", "json.c", "build/bindings/plugin.c"],
    *["build/bindings/plugin_component_type.o", "-o", "build/{{name}}.wasm"],
    ZIG_GLOBAL_CACHE_DIR="build/zig-cache",
    ZIG_LOCAL_CACHE_DIR="build/zig-cache",
)
