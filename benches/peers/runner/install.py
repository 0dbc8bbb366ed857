"""Installs the peers from their registries, in the versions that are pinned here, and builds ours."""

import shutil
import subprocess
import sys


def all_into(directory, here):
    directory.mkdir(parents=True, exist_ok=True)
    python(directory / "python", here / "python")
    node(directory / "node", here / "node")
    rust(directory / "cargo", here / "rust")


def python(target, source):
    if is_installed(target, source / "requirements.txt"):
        return
    call(sys.executable, "-m", "venv", "--clear", target)
    call(target / "bin" / "pip", "install", "--quiet", "--no-deps", "-r", source / "requirements.txt")
    note_installed(target, source / "requirements.txt")


def node(target, source):
    target.mkdir(exist_ok=True)
    for file in source.iterdir():
        shutil.copy(file, target)
    if not is_installed(target, source / "package-lock.json"):
        call("npm", "ci", "--silent", "--ignore-scripts", cwd=target)
        note_installed(target, source / "package-lock.json")


def rust(target, source):
    server(target, source)
    build(target, source, "-p", "floor", "-p", "openidconnect-worker")
    # Apart, because in one build cargo would turn the feature on for both.
    build(target, source, "-p", "ours", "--bin", "ours-ring")
    build(target, source, "-p", "ours", "--bin", "ours-aws-lc-rs", "--features", "aws-lc-rs")


def server(target, source):
    target.mkdir(parents=True, exist_ok=True)
    build(target, source, "-p", "server")


def build(target, source, *what):
    call("cargo", "build", "--release", "--locked", "--target-dir", target, *what, cwd=source)


def is_installed(target, lock):
    note = target / "installed"
    return note.exists() and note.read_bytes() == lock.read_bytes()


def note_installed(target, lock):
    shutil.copy(lock, target / "installed")


def call(*command, cwd=None):
    subprocess.run([str(word) for word in command], cwd=cwd, check=True)
