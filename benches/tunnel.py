"""Tunnels beside `ssh -L`, `ssh -J`, plain TCP and the least that two hops of TLS cost, in one run.

`cargo xtask bench` starts this last. Contenders take turns within each measurement; a line of our own makes the round
trips, the same for every contender. Prints a table per round trip, then how the aims were met.
"""

import argparse
import contextlib
import dataclasses
import json
import pathlib
import statistics
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from contenders import ALL, DEFAULT, TOOL, Machines, Stage  # noqa: E402
from terminal import cpu_seconds  # noqa: E402
from drawbridge import Dev  # noqa: E402

MEBI, GIBI = 1 << 20, 1 << 30
DIRECTIONS, STREAMS, SIZES, PARALLEL = ("up", "down"), (1, 8), (1, 1024), (1, 16)

# At these round trips one connection in bulk is all that is measured: (times `ssh -L`, times plain TCP).
LONG = {80: (10, 1), 200: (15, 1)}


@dataclasses.dataclass
class Effort:
    rounds: int
    bulk_ms: int
    long_bulk_ms: int  # at the round trips of LONG
    trips: int
    connections_ms: int


FULL = Effort(rounds=2, bulk_ms=1000, long_bulk_ms=1500, trips=1000, connections_ms=500)
QUICK = Effort(rounds=1, bulk_ms=200, long_bulk_ms=500, trips=100, connections_ms=100)


@dataclasses.dataclass
class Row:
    """One measurement: a value of every contender."""
    name: str
    unit: str
    values: dict  # by contender's name


def started(contender, kind, *arguments):
    """A measuring client that is at work."""
    return subprocess.Popen([TOOL, "measure", kind, "--to", contender.address, *map(str, arguments)],
                            stdout=subprocess.PIPE)


def ended(client):
    """What a measuring client found."""
    said, _ = client.communicate(timeout=120)
    assert client.returncode == 0, f"{client.args} failed"
    return json.loads(said)


def measure(contender, *arguments):
    """What the measuring client found, and the CPU seconds of the contender's processes meanwhile."""
    before = cpu_seconds(contender.roots())
    found = ended(started(contender, *arguments))
    return found | {"cpu": cpu_seconds(contender.roots()) - before}


def turns(contenders, rounds, *arguments):
    """The measurements of each contender, who take turns."""
    found = {contender.name: [] for contender in contenders}
    for _ in range(rounds):
        for contender in contenders:
            found[contender.name].append(measure(contender, *arguments))
    return found


def bulk(contenders, rounds, millis, streams):
    for direction in DIRECTIONS:
        for count in streams:
            found = turns(contenders, rounds, "bulk", "--direction", direction, "--streams", count,
                          "--millis", millis)
            name = f"{direction}, {count} stream{'s'[:count > 1]}"
            yield Row(name, "MiB/s", {who: total(runs, "bytes") / total(runs, "seconds") / MEBI
                                      for who, runs in found.items()})
            yield Row(f"{name}, CPU", "s/GiB", {who: total(runs, "cpu") / total(runs, "bytes") * GIBI
                                                for who, runs in found.items() if who != "tcp"})


def trips(contenders, effort, round_trip_ms):
    for size in SIZES:
        if round_trip_ms == 0:
            found = turns(contenders, effort.rounds, "trips", "--size", size, "--count", effort.trips)
        else:
            # Nearly all of it is waiting for the line, which all can do at the same time.
            count = effort.trips // 10
            clients = {contender.name: started(contender, "trips", "--size", size, "--count", count)
                       for contender in contenders}
            found = {who: [ended(client)] for who, client in clients.items()}
        for quantile in ("p50", "p99"):
            yield Row(f"{size} B and back, {quantile}", "ms",
                      {who: statistics.median(run[f"{quantile}_ms"] for run in runs) for who, runs in found.items()})


def connections(contenders, effort):
    for parallel in PARALLEL:
        found = turns(contenders, effort.rounds, "connections", "--parallel", parallel,
                      "--millis", effort.connections_ms)
        yield Row(f"new connections, {parallel} at a time", "/s",
                  {who: total(runs, "connections") / total(runs, "seconds") for who, runs in found.items()})


def total(runs, key):
    return sum(run[key] for run in runs)


def stage(machines, names, round_trip_ms, effort):
    """Everything that is measured at one round trip, as rows."""
    with Stage(machines, round_trip_ms) as open_stage:
        contenders = [ALL[name](open_stage) for name in names]
        for contender in contenders:
            warm = measure(contender, "trips", "--count", 3)
            assert warm["p50_ms"] >= round_trip_ms, f"{contender.name} found a way around the line"
        if round_trip_ms in LONG:
            yield from bulk(contenders, effort.rounds, effort.long_bulk_ms, (1,))
            return
        yield from bulk(contenders, effort.rounds, effort.bulk_ms, STREAMS)
        yield from trips(contenders, effort, round_trip_ms)
        yield from connections(contenders, effort)


def aims(row, round_trip_ms):
    """What is wanted of a row: (beside whom, which ratios are good ones, the same in words)."""
    if row.unit == "MiB/s" and round_trip_ms in LONG:
        ssh, tcp = LONG[round_trip_ms]
        return [at_least(ssh, "ssh-L"), at_least(tcp, "tcp"), no_aim("limit")]
    if row.unit == "MiB/s":
        return [at_least(1, "ssh-L"), at_least(2, "ssh-J"), no_aim("limit")]
    if row.unit == "s/GiB":
        return [at_most(1, "ssh-J"), no_aim("limit")]
    if row.name.endswith("p99"):
        return [at_most(1.5, "ssh-J")]
    if row.unit == "/s":
        return [at_least(1, "ssh-L")]
    return []


def at_least(times, peer):
    return peer, lambda ratio: ratio >= times, f">= {times}"


def at_most(times, peer):
    return peer, lambda ratio: ratio <= times, f"<= {times}"


def no_aim(peer):
    return peer, None, "-"


def verdicts(row, round_trip_ms):
    """Lines of the last table: ours beside each peer that was measured."""
    for peer, good, wanted in aims(row, round_trip_ms):
        ours, theirs = row.values.get("drawbridge"), row.values.get(peer)
        if ours is not None and theirs:
            ratio = ours / theirs
            met = ("yes" if good(ratio) else "no") if good else ""
            yield (f"| {round_trip_ms} ms | {row.name} | {shown(ours)} {row.unit} | {peer}: {shown(theirs)} {row.unit} "
                   f"| {ratio:.2f} | {wanted} | {met} |")


def shown(value):
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def chosen(known):
    def parse(text):
        names = text.split(",")
        for name in names:
            if name not in known:
                raise argparse.ArgumentTypeError(f"`{name}` is none of {', '.join(known)}")
        return names
    return parse


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true", help="less of everything, to see that it runs")
    parser.add_argument("--only", type=chosen(list(ALL)), help=f"of {', '.join(ALL)}",
                        default=[contender.name for contender in DEFAULT])
    parser.add_argument("--rtt", help="round trips in ms, such as 0,20,100",
                        type=lambda text: [int(one) for one in text.split(",")])
    parsed = parser.parse_args()
    parsed.rtt = parsed.rtt or ([0, 20] if parsed.quick else [0, 20, *LONG, 100])
    return parsed


def main():
    asked = arguments()
    effort = QUICK if asked.quick else FULL
    judged = []
    with contextlib.ExitStack() as stack:
        folder = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory()))
        dev = stack.enter_context(Dev(folder / "dev"))
        machines = stack.enter_context(Machines(folder, dev))
        for round_trip_ms in sorted(asked.rtt):
            print(f"\n{round_trip_ms} ms of round trip:\n")
            # No aim compares with `ssh -J` there.
            names = [name for name in asked.only if not (name == "ssh-J" and round_trip_ms in LONG)]
            print(f"| measurement | {' | '.join(names)} |\n|{' --- |' * (1 + len(names))}")
            for row in stage(machines, names, round_trip_ms, effort):
                values = (f"{shown(row.values[who])} {row.unit}" if who in row.values else "-" for who in names)
                print(f"| {row.name} | {' | '.join(values)} |", flush=True)
                judged += verdicts(row, round_trip_ms)
    if judged:
        print("\n| round trip | measurement | drawbridge | peer | ratio | aim | met |")
        print("| --- | --- | --- | --- | --- | --- | --- |")
        print("\n".join(judged))


if __name__ == "__main__":
    main()
