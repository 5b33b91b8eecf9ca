"""Builds the plugin. The tool, componentize-py, is installed below `.venv` when it is not there yet."""

import os
import subprocess
import sys

TOOL = os.path.join(".venv", "bin", "componentize-py")

os.chdir(os.path.dirname(os.path.abspath(__file__)))
if not os.path.exists(TOOL):
    subprocess.run([sys.executable, "-m", "venv", ".venv"], check=True)
    subprocess.run([os.path.join(".venv", "bin", "pip"), "install", "--quiet", "-r", "requirements.txt"], check=True)
os.makedirs("build", exist_ok=True)
subprocess.run(
    [TOOL, "--quiet", "--wit-path", "vendor/wit", "--world", "{{world}}", "componentize", "plugin"]
    + ["--output", "build/{{name}}.wasm"],
    check=True,
)
