"""Prints what was measured: a line a figure, and the table."""

import statistics

from .measure import DEFECTS, TIMED

OURS = ("ours-ring", "ours-aws-lc-rs")
COLD = "cold start to the sign-in URL"


def print_all(results):
    for row in TIMED:
        print_lines(results, row, {p.name: results.times.get((row, p.name)) for p in results.programs})
    print_lines(results, "cold", {name: [s * 1e9 for s in seconds] for name, seconds in results.cold.items()})
    print()
    print_table(results)
    print()
    print_unchecked(results)


def print_lines(results, row, times):
    for program in results.programs:
        taken = times.get(program.name)
        if taken:
            ring, aws = (factor(taken, times[name]) for name in OURS)
            ns = statistics.median(taken)
            print(f"row={row} peer={program.name} ns={ns:.0f} factor={ring:.2f} factor_aws_lc_rs={aws:.2f}")


def factor(of, over):
    """The median of the rounds' ratios."""
    return statistics.median(a / b for a, b in zip(of, over))


def print_table(results):
    titles = [program.title for program in results.programs]
    print(line(["µs (median of the rounds)", *titles, "ring × faster", "aws-lc-rs × faster", "ring over its floor", "aws-lc-rs over its floor"]))
    print(line(["---"] * (len(titles) + 5)))
    for row, title in TIMED.items():
        times = {p.name: results.times.get((row, p.name)) for p in results.programs}
        if any(times.values()):
            print(line([title, *timed_cells(results, times, 1e3)]))
    if results.requests:
        print(line(["requests / new connections per callback, new object", *counts(results, results.requests)]))
    if results.refreshes:
        print(line(["refreshes for 50 calls at once, one object / 50 objects", *counts(results, results.refreshes)]))
    if results.cold:
        times = {name: [s * 1e9 for s in seconds] for name, seconds in results.cold.items()}
        print(line([f"{COLD}, ms", *timed_cells(results, times, 1e6)]))
        memory = {name: [mib] for name, mib in results.memory.items()}
        print(line(["the same, peak MiB", *timed_cells(results, memory, 1)]))


def timed_cells(results, times, unit):
    """The figures, the fastest peer's in bold; how much faster ours are, and how far from the floor."""
    peers = [p.name for p in results.programs if p.kind == "peer" and times[p.name]]
    fastest = min(peers, key=lambda name: statistics.median(times[name]))
    cells = []
    for program in results.programs:
        taken = times[program.name]
        text = figure(statistics.median(taken) / unit) if taken else "–"
        cells.append(f"**{text}**" if program.name == fastest else text)
    cells += [f"{factor(times[fastest], times[name]):.2f}" for name in OURS]
    cells += [f"{factor(times[name], times[name.replace('ours', 'floor')]):.2f}" for name in OURS]
    return cells


def counts(results, by_program):
    def text(numbers):
        return " / ".join("–" if number is None else f"{number:g}" for number in numbers or ["–"])

    return [text(by_program[program.name]) for program in results.programs] + [""] * 4


def print_unchecked(results):
    for defect in DEFECTS:
        passing = [p.title for p in results.programs if results.refused.get((p.name, defect)) is False]
        if passing:
            print(f"A wrong `{defect}` in the ID token passes: {', '.join(passing)}.")
    print("`openid-client` verifies only as part of a whole grant, here one whose request is answered in the process.")


def figure(number):
    return f"{number:,.0f}" if number >= 100 else f"{number:.1f}" if number >= 10 else f"{number:.2f}"


def line(cells):
    return "| " + " | ".join(cells) + " |"
