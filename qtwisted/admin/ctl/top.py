"""qmailctl top: the mail system at work.

It asks the running qmail-send; rates are differences between two answers. What is put off is counted by domain from
the log, from the start of the command on, where the log can be found and read.
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple

from qtwisted.admin.ctl.screen import BAD, GOOD, NOTE, QUIET
from qtwisted.admin.logs.follow import Follower
from qtwisted.admin.logs.reasons import domain
from qtwisted.admin.logs.sources import found, given
from qtwisted.admin.logs.stories import Stories
from qtwisted.admin.logs.telling import span
from qtwisted.admin.refusal import Refused
from qtwisted.schedule.asking import Asking, NotAllowed, NotRunning
from qtwisted.wire.request import RequestError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from qtwisted.admin.ctl.screen import Screen
    from qtwisted.admin.logs.stories import Attempt

INTERVAL = 2.0
ROWS = 20
CHANNELS = ("local", "remote")
VERDICTS = (("success", "delivered"), ("deferral", "put off"), ("failure", "failed"))
DOMAINS_MAX = 10_000


def arguments(name: str, parser: argparse.ArgumentParser) -> None:
    """Declare what stands on the command line."""
    parser.add_argument("--interval", type=seconds, default=INTERVAL, metavar="SECONDS",
                        help=f"how often it is drawn again (default {INTERVAL:.0f})")
    parser.add_argument("--once", action="store_true",
                        help="print one sample and end, as is done where the output is no terminal")
    parser.add_argument("--json", action="store_true", help="print one sample as a JSON value and end")
    parser.add_argument("--log", action="append", metavar="FILE", help="count what is put off in this log")


def seconds(text: str) -> float:
    """A span that is long enough not to be a burden; argparse words the trouble."""
    value = float(text)
    if not 0.1 <= value <= 3600:
        raise ValueError(text)
    return value


def run(name: str, options: argparse.Namespace, home: str, screen: Screen) -> int:
    """Show it once, or until q is pressed; 1 if the mail system does not run."""
    if options.once or options.json or not screen.is_terminal:
        sample = take(home)
        if isinstance(sample, str):
            sys.stderr.write(f"qmailctl top: {sample}\n")
            return 1
        if options.json:
            screen.json(facts(sample))
        else:
            for line in lines(sample, None, None, screen):
                screen.whole(line)
        return 0
    return watch(options, home, screen)


def watch(options: argparse.Namespace, home: str, screen: Screen) -> int:
    """Draw until q or Ctrl-C."""
    from qtwisted.admin.ctl.terminal import Ended, Live

    put_off = PutOff(options.log, home)
    former: Sample | None = None
    try:
        with Live() as live:
            while True:
                sample = take(home)
                counts = put_off.counts()
                if isinstance(sample, str):
                    live.draw([cut(sample, screen)])
                    former = None
                else:
                    live.draw([cut(line, screen) for line in lines(sample, former, counts, screen)])
                    former = sample
                if live.wait(options.interval) in ("q", "Q"):
                    return 0
    except KeyboardInterrupt:
        return 0
    except Ended as ended:
        return ended.code
    finally:
        put_off.close()


def cut(line: str, screen: Screen) -> str:
    """As much of a line as the terminal is wide, where escape sequences take no room."""
    room = screen.width or len(line)
    out: list[str] = []
    for number, part in enumerate(line.split("\033[")):
        code, text = part.split("m", 1) if number else ("", part)
        out.append(("\033[" + code + "m" if number else "") + text[:room])
        room -= min(room, len(text))
    return "".join(out)


# ---- what is seen


class Sample(NamedTuple):
    """What qmail-send has told, and when."""

    at: float
    told: dict[str, Any]


def take(home: str) -> Sample | str:
    """Ask qmail-send; the text says why that failed."""
    try:
        with Asking(home) as send:
            return Sample(time.monotonic(), send.snapshot())
    except (NotRunning, RequestError) as trouble:
        return str(trouble)
    except NotAllowed as trouble:
        raise Refused(str(trouble)) from None


class Destination:
    """The deliveries that run to one domain."""

    def __init__(self) -> None:
        """Begin with none."""
        self.running = 0
        self.waiting = 0
        self.longest = 0.0
        self.sum = 0.0

    def add(self, delivery: dict[str, Any]) -> None:
        """Count one."""
        self.running += 1
        self.waiting += bool(delivery["waits"])
        self.longest = max(self.longest, delivery["running_for"])
        self.sum += delivery["running_for"]


def destinations(told: dict[str, Any]) -> list[tuple[str, Destination]]:
    """The domains that deliveries run to, the slowest first."""
    table: dict[str, Destination] = {}
    for delivery in told["deliveries"]:
        name = domain(delivery["recipient"].encode("latin-1", "replace"))
        table.setdefault(name, Destination()).add(delivery)
    return sorted(table.items(), key=lambda row: (-row[1].longest, row[0]))


class PutOff:
    """How often deliveries to each domain were put off since this was made, if the log can be followed."""

    def __init__(self, names: list[str] | None, home: str) -> None:
        """Follow the log that is named, or the system's."""
        self._counts: Counter[str] = Counter()
        self._stories = Stories(keep_attempts=False)
        self._stories.finished = self._finished
        self._follower: Follower | None = None
        try:
            self._follower = Follower(given(names) if names else found(home))
        except (Refused, OSError):
            if names:
                raise

    def _finished(self, attempt: Attempt) -> None:
        """Count a delivery that has ended."""
        if attempt.verdict in ("deferral", "mangled"):
            if len(self._counts) >= DOMAINS_MAX:
                self._counts = Counter(dict(self._counts.most_common(DOMAINS_MAX // 2)))
            self._counts[domain(attempt.recipient)] += 1

    def counts(self) -> Counter[str] | None:
        """The counts of this moment; None without a log."""
        if self._follower is None:
            return None
        for at, event in self._follower.new():
            self._stories.add(at, event)
        return self._counts

    def close(self) -> None:
        """Stop following."""
        if self._follower is not None:
            self._follower.close()


def rates(sample: Sample, former: Sample | None) -> dict[str, float]:
    """Deliveries ended a second, by verdict: since the former sample, else since qmail-send was started."""
    ended = sample.told["deliveries_ended"]
    if former is None or former.told["pid"] != sample.told["pid"] or sample.at <= former.at:
        return {verdict: count / max(sample.told["running_for"], 1.0) for verdict, count in ended.items()}
    before = former.told["deliveries_ended"]
    return {verdict: (count - before[verdict]) / (sample.at - former.at) for verdict, count in ended.items()}


# ---- how it is shown


def lines(sample: Sample, former: Sample | None, put_off: Counter[str] | None, screen: Screen) -> Iterator[str]:
    """The whole picture."""
    told = sample.told
    state = screen.styled("running", GOOD)
    if told["is_paused"]:
        state = screen.styled("paused", NOTE)
    if told["is_ending"]:
        state = screen.styled("ending", BAD)
    yield f"qmail-send {told['pid']}: {state} for {span(told['running_for'])}"
    loading = ", the queue is still being read" if told["is_loading"] else ""
    yield f"messages:   {told['new']} new, {told['leaving']} leaving{loading}"
    for name in CHANNELS:
        channel = told[name]
        lent = f", {channel['waiting']} only waiting" if channel["waiting"] else ""
        yield (f"{name + ':':<11} {channel['running']} of {channel['limit']} deliveries{lent}, "
               f"{channel['scheduled']} messages scheduled")
    yield from speeds(sample, former)
    yield ""
    yield from slowest(told, put_off, screen)
    if put_off:
        yield ""
        yield "put off most, since this command was started:"
        for name, count in sorted(put_off.items(), key=lambda row: (-row[1], row[0]))[:ROWS]:
            yield f"  {count:>8}  {name}"


def speeds(sample: Sample, former: Sample | None) -> Iterator[str]:
    """How many deliveries end."""
    now = rates(sample, former)
    ended = sample.told["deliveries_ended"]
    span_of = "since the start" if former is None else "now"
    for verdict, words in VERDICTS:
        yield f"{words + ':':<11} {ended[verdict]}, {now[verdict]:.2f} a second {span_of}"


def slowest(told: dict[str, Any], put_off: Counter[str] | None, screen: Screen) -> Iterator[str]:
    """The domains that deliveries run to."""
    rows = destinations(told)
    if not rows:
        yield screen.styled("no delivery is running", QUIET)
        return
    last = " put off" if put_off is not None else ""
    yield f"{'running':>8} {'waiting':>8} {'longest':>10} {'mean':>10}{last}  destination"
    for name, row in rows[:ROWS]:
        count = f" {put_off[name]:>7}" if put_off is not None else ""
        yield (f"{row.running:>8} {row.waiting:>8} {row.longest:>8.1f} s {row.sum / row.running:>8.1f} s{count}  "
               f"{name}")
    if len(rows) > ROWS:
        yield f"and {len(rows) - ROWS} more"


def facts(sample: Sample) -> dict[str, Any]:
    """The sample as one JSON value."""
    told = {name: value for name, value in sample.told.items() if name != "deliveries"}
    return {
        **told,
        "per_second": {verdict: round(rate, 6) for verdict, rate in rates(sample, None).items()},
        "destinations": [{"domain": name, "running": row.running, "waiting": row.waiting, "longest": row.longest,
                          "mean": round(row.sum / row.running, 3)} for name, row in destinations(sample.told)],
    }
