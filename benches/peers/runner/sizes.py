"""What a minimal program weighs with each feature set: it builds a `Logto` and prints a sign-in URL."""

import pathlib
import resource
import shutil
import subprocess
import tempfile
import time

from .measure import peak_mib, say, seconds_to_first_line

STARTS = 15

# The features, and how the program's storage and HTTP client are made with them.
MEMORY = "logto::storage::MemoryStorage::new()"
FILE = "logto::storage::FileStorage::open(&place, &logto::EncryptionKey::from_bytes([7; 32])).unwrap()"
FEATURE_SETS = {
    "none": ("", MEMORY, ""),
    "default": ("rustls", MEMORY, ""),
    "platform-verifier": ("platform-verifier", MEMORY, ".http_client(logto::UreqClient::with_platform_verifier())"),
    "native-tls": ("native-tls", MEMORY, ".http_client(logto::UreqClient::with_native_tls())"),
    "aws-lc-rs": ("rustls aws-lc-rs", MEMORY, ""),
    "sqlite": ("rustls sqlite", "logto::storage::SqliteStorage::open(&place).unwrap()", ""),
    "redis": ("rustls redis", MEMORY, ""),
    "sled": ("rustls sled", "logto::storage::SledStorage::open(&place).unwrap()", ""),
    "file": ("rustls file", FILE, ""),
    "web": ("rustls web", MEMORY, ""),
    "rouille": ("rustls rouille", MEMORY, ""),
    "desktop": ("rustls desktop", MEMORY, ""),
}

MANIFEST = """
[package]
name = "minimal"
version = "0.0.0"
edition = "2024"

[dependencies]
logto = {{ path = "{root}", default-features = false, features = [{features}] }}

[profile.release]
strip = true

[workspace]
"""

PROGRAM = """
fn main() {{
    let mut arguments = std::env::args().skip(1);
    let (endpoint, place) = (arguments.next().unwrap(), arguments.next().unwrap());
    let _ = &place;
    let store = {store};
    let config = logto::LogtoConfig::new(endpoint, "app");
    let logto = logto::Logto::builder(config){http}.build().unwrap();
    let client = logto.session(&store, &logto::SessionId::random());
    println!("{{}}", client.sign_in("http://127.0.0.1:3000/callback").unwrap());
}}
"""


def run(server, root, chosen):
    print("| features | stripped MiB | clean build, s | of processor time, s | crates | cold start, ms | peak MiB |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for name in chosen or FEATURE_SETS:
        say(name)
        with tempfile.TemporaryDirectory() as directory:
            cells = measure(server, root, pathlib.Path(directory), *FEATURE_SETS[name])
        print(f"| {name} | {' | '.join(cells)} |", flush=True)


def measure(server, root, directory, features, store, http):
    (directory / "src").mkdir()
    quoted = ", ".join(f'"{feature}"' for feature in features.split())
    (directory / "Cargo.toml").write_text(MANIFEST.format(root=root, features=quoted))
    (directory / "src" / "main.rs").write_text(PROGRAM.format(store=store, http=http))
    # The same versions as ours are tested with.
    shutil.copy(root / "Cargo.lock", directory)
    crates = crates_of(directory)
    started, worked = time.monotonic(), processor_time()
    target = directory / "target"
    subprocess.run(["cargo", "build", "--release", "--quiet", "--target-dir", target], cwd=directory, check=True)
    built, worked = time.monotonic() - started, processor_time() - worked
    program = target / "release" / "minimal"
    place = directory / "sessions"
    command = [program, server.endpoint, place]
    starts = [seconds_to_first_line(command) for _ in range(STARTS)]
    return [
        f"{program.stat().st_size / 2**20:.2f}",
        f"{built:.0f}",
        f"{worked:.0f}",
        str(crates),
        # The others met somebody else's work.
        f"{min(starts) * 1e3:.1f}",
        f"{peak_mib(command):.1f}",
    ]


def processor_time():
    """Of all that this program has run and waited for."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def crates_of(directory):
    """All that are compiled into the program, without itself, each version for one. Their sources are fetched."""
    subprocess.run(["cargo", "fetch", "--quiet"], cwd=directory, check=True)
    command = ["cargo", "tree", "-e", "normal", "--prefix", "none"]
    lines = subprocess.run(command, cwd=directory, capture_output=True, text=True, check=True).stdout.splitlines()
    return len({" ".join(line.split()[:2]) for line in lines if line}) - 1
