"""The programs that take part, and the server that they talk to."""

import dataclasses
import http.client
import json
import pathlib
import subprocess


class Server:
    """Runs the server for as long as the `with` lasts."""

    def __init__(self, directory):
        self._program = directory / "cargo" / "release" / "server"

    def __enter__(self):
        self._process = subprocess.Popen([self._program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._port = int(self._process.stdout.readline())
        self.endpoint = f"http://127.0.0.1:{self._port}"
        return self

    @property
    def pid(self):
        return self._process.pid

    def __exit__(self, *_):
        self._process.stdin.close()
        self._process.wait()

    def counters(self):
        """How many requests and connections there were, not counting this one."""
        connection = http.client.HTTPConnection("127.0.0.1", self._port)
        connection.request("GET", "/counters")
        counters = json.load(connection.getresponse())
        connection.close()
        return counters


@dataclasses.dataclass
class Program:
    name: str
    # As the table names it.
    title: str
    # "ours", "peer" or "floor".
    kind: str
    command: list
    # What is run instead to see how long the first sign-in URL takes.
    cold: list
    # Defects of an ID token that it is known to let pass.
    lets_pass: tuple = ()

    def start(self, endpoint):
        command = self._with(endpoint, self.command)
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, line):
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline().strip()
        if not answer:
            raise RuntimeError(f"{self.name} died of `{line}`")
        return answer

    def time(self, row, iterations):
        """Nanoseconds an iteration; `None` if it has no such row."""
        answer = self.ask(f"{row} {iterations}")
        return None if answer == "-" else float(answer)

    @property
    def pid(self):
        return self._process.pid

    def stop(self):
        self._process.stdin.close()
        self._process.wait()

    def cold_command(self, endpoint):
        return self._with(endpoint, self.cold)

    @staticmethod
    def _with(endpoint, command):
        return [str(word).replace("ENDPOINT", endpoint) for word in command]


def all_of(directory):
    release = directory / "cargo" / "release"
    worker = pathlib.Path(__file__).parent.parent / "python" / "worker.py"
    python = [directory / "python" / "bin" / "python", worker]
    node = directory / "node"
    empty = [release / "empty", "ENDPOINT"]

    def program(name, title, kind, *command, lets_pass=()):
        command = [*command, "ENDPOINT"]
        return Program(name, title, kind, command, [*command, "cold"], lets_pass)

    def floor(library):
        command = [release / "floor", "ENDPOINT", library]
        return Program(f"floor-{library}", f"floor, {library}", "floor", command, empty)

    return [
        program("python-logto", "Python `logto`", "peer", *python, lets_pass=("nonce", "at_hash")),
        program("logto-node", "`@logto/node`", "peer", "node", node / "logto.mjs", lets_pass=("nonce", "at_hash")),
        program("openid-client", "`openid-client`", "peer", "node", node / "openid-client.mjs", lets_pass=("at_hash",)),
        program("openidconnect", "`openidconnect`", "peer", release / "openidconnect-worker"),
        program("ours-ring", "ours, ring", "ours", release / "ours-ring"),
        program("ours-aws-lc-rs", "ours, aws-lc-rs", "ours", release / "ours-aws-lc-rs"),
        floor("ring"),
        floor("aws-lc-rs"),
    ]
