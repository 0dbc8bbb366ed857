"""Measures the programs in turns, so that a noisy moment hits all of them."""

import dataclasses
import pathlib
import re
import statistics
import subprocess
import sys
import time

# What is timed, and what the table says of it.
TIMED = {
    "verify-es384": "verify ES384",
    "verify-es256": "verify ES256",
    "verify-rs256": "verify RS256",
    "cached-one": "cached access token, one object",
    "cached-new": "cached access token, new object",
    "url-alone": "sign-in URL, nothing stored",
    "url": "sign-in URL, one object",
    "url-new": "sign-in URL, new object",
    "callback-one": "sign-in and callback ES384, one object",
    "callback-new": "sign-in and callback ES384, new objects",
}
DEFECTS = ("signature", "audience", "nonce", "at_hash")
# The best of so many measurements in a round counts: the others met somebody else's work.
PASSES = 5
WARM_UP_SECONDS = 0.5
CALLBACKS = 10


@dataclasses.dataclass
class Results:
    programs: list
    # By row and program: nanoseconds in each round.
    times: dict = dataclasses.field(default_factory=dict)
    # By program and defect.
    refused: dict = dataclasses.field(default_factory=dict)
    # By program: (requests, connections) of a callback.
    requests: dict = dataclasses.field(default_factory=dict)
    # By program: (of one object, of fifty objects).
    refreshes: dict = dataclasses.field(default_factory=dict)
    # By program: seconds in each round, and MiB.
    cold: dict = dataclasses.field(default_factory=dict)
    memory: dict = dataclasses.field(default_factory=dict)


def run(server, programs, options):
    results = Results(programs)
    for program in programs:
        program.start(server.endpoint)
    check(results)
    for row in TIMED:
        if is_wanted(row, options):
            say(row)
            times(results, server, row, options)
    if is_wanted("callback-requests", options):
        requests(results, server)
    if is_wanted("refreshes", options):
        refreshes(results, server)
    for program in programs:
        program.stop()
    if is_wanted("cold", options):
        say("cold")
        cold(results, server, options)
    return results


def is_wanted(row, options):
    return not options.rows or any(row.startswith(start) for start in options.rows)


def check(results):
    """Holds each program to do the work that is measured."""
    for program in results.programs:
        if program.kind == "floor":
            continue
        if program.ask("check ") != "accepted":
            sys.exit(f"{program.name} refuses a good ID token")
        for defect in DEFECTS:
            is_refused = program.ask(f"check {defect}") == "refused"
            results.refused[program.name, defect] = is_refused
            if not is_refused and defect not in program.lets_pass:
                sys.exit(f"{program.name} lets an ID token pass that has a wrong {defect}")


def times(results, server, row, options):
    taking_part = []
    for program in results.programs:
        iterations = warm_up(program, row, options.slice_ms / 1e3)
        if iterations:
            taking_part.append((program, iterations))
            results.times[row, program.name] = []
    for _ in range(options.rounds):
        best = {}
        for _ in range(PASSES):
            for program, iterations in taking_part:
                taken = time_once(server, program, row, iterations, options)
                best[program.name] = min(taken, best.get(program.name, taken))
            taking_part.append(taking_part.pop(0))
        for name, taken in best.items():
            results.times[row, name].append(taken)


def time_once(server, program, row, iterations, options):
    """Nanoseconds an iteration; if so asked, no more than the processors spent on it, the server's share with it."""
    if not options.cpu:
        return program.time(row, iterations)
    before = processor_time(program.pid) + processor_time(server.pid)
    taken = program.time(row, iterations)
    spent = processor_time(program.pid) + processor_time(server.pid) - before
    return min(taken, spent / iterations)


def processor_time(pid):
    """Nanoseconds that the process's threads have had a processor."""
    total = 0
    for thread in pathlib.Path(f"/proc/{pid}/task").glob("*/schedstat"):
        try:
            total += int(thread.read_text().split()[0])
        except (OSError, ValueError):
            # The thread has ended.
            continue
    return total


def warm_up(program, row, seconds):
    """How many iterations take so long; 0 if the program has no such row."""
    if program.time(row, 0) is None:
        return 0
    iterations, started = 1, time.monotonic()
    while True:
        taken = program.time(row, iterations) / 1e9
        if time.monotonic() - started > WARM_UP_SECONDS:
            return max(1, round(seconds / taken))
        if taken * iterations < seconds:
            iterations *= 2


def requests(results, server):
    """A callback's are those of a sign-in and callback, less those of a sign-in."""

    def count(program, row):
        before = server.counters()
        if program.time(row, CALLBACKS) is None:
            return None
        after = server.counters()
        return [(after[name] - before[name]) / CALLBACKS for name in ("requests", "connections")]

    for program in results.programs:
        program.time("callback-new", 1)
        if program.kind == "floor":
            results.requests[program.name] = count(program, "callback-one")
            continue
        whole, start = count(program, "callback-new"), count(program, "url-new")
        results.requests[program.name] = [a - b for a, b in zip(whole, start)]


def refreshes(results, server):
    for program in results.programs:
        counts = []
        for row in ("refresh-one", "refresh-fifty"):
            if program.time(row, 0) is None:
                counts.append(None)
                continue
            before = server.counters()["token_requests"]
            program.time(row, 1)
            counts.append(server.counters()["token_requests"] - before)
        results.refreshes[program.name] = counts


def cold(results, server, options):
    for program in results.programs:
        command = program.cold_command(server.endpoint)
        results.memory[program.name] = peak_mib(command)
        results.cold[program.name] = []
    for _ in range(options.rounds):
        best = {}
        for _ in range(PASSES):
            for program in results.programs:
                taken = seconds_to_first_line(program.cold_command(server.endpoint))
                best[program.name] = min(taken, best.get(program.name, taken))
        for name, taken in best.items():
            results.cold[name].append(taken)


def seconds_to_first_line(command):
    started = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        line = process.stdout.readline()
        taken = time.perf_counter() - started
    if b"/auth?" not in line:
        sys.exit(f"{command} printed no sign-in URL")
    return taken


def peak_mib(command):
    """By a small program: what a child of this one is charged for starts at what this one has."""
    taken = [
        subprocess.run(["/usr/bin/time", "-f", "peak %M", *command], capture_output=True, text=True, check=True).stderr
        for _ in range(3)
    ]
    return statistics.median(int(re.search(r"peak (\d+)", text)[1]) for text in taken) / 1024


def say(text):
    print(text, file=sys.stderr, flush=True)
