"""qmailctl summary: sums up a log.

How much mail came and went, how long it took, what was put off or failed and why, and who sent and received most. A
log of any size is read once, in bounded memory.
"""

from __future__ import annotations

import re
import sys
import time
from typing import TYPE_CHECKING

from qtwisted.admin.ctl.screen import shown
from qtwisted.admin.ctl.trace import log_argument, place_of, positive
from qtwisted.admin.logs import sources
from qtwisted.admin.logs.figures import OUTCOMES, Figures
from qtwisted.admin.logs.telling import moment, span, when
from qtwisted.admin.refusal import Refused

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator
    from typing import Any

    from qtwisted.admin.ctl.screen import Screen
    from qtwisted.admin.logs.figures import Row, Table

TOP = 10
_AGO = re.compile(r"([0-9]{1,6})([smhdw])")
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_FORMATS = ("%Y-%m-%d", "%Y-%m-%d %H:%M", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S")


def arguments(name: str, parser: argparse.ArgumentParser) -> None:
    """Declare what stands on the command line."""
    log_argument(parser)
    parser.add_argument("--since", metavar="TIME", help="leave out what was before: 2026-11-30, '2026-11-30 04:45', "
                        "or 90s, 5m, 2h, 7d, 4w ago; the log must have stamps")
    parser.add_argument("--until", metavar="TIME", help="leave out what was at that time or later")
    parser.add_argument("--top", type=positive, default=TOP, metavar="N",
                        help=f"the length of each list (default {TOP})")
    parser.add_argument("--json", action="store_true", help="one JSON value a line")


def run(name: str, options: argparse.Namespace, home: str, screen: Screen) -> int:
    """Print the sums; 1 if the log has none of qmail's lines."""
    now = time.time()
    figures = Figures(moment_of(options.since, now), moment_of(options.until, now))
    source = sources.Source(place_of(options.log, home))
    figures.read(source)
    if options.json:
        for value in values(figures, options.top):
            screen.json(value)
    else:
        for line in report(figures, options.top):
            screen.say(line)
    screen.flush()
    for trouble in source.troubles:
        sys.stderr.write(f"qmailctl summary: cannot read {shown(trouble.encode())}\n")
    if figures.totals["lines"] - figures.totals["other_lines"] <= 0:
        sys.stderr.write("qmailctl summary: there is no line of qmail's in this log, or none in this span of time\n")
        return 1
    return 0


def moment_of(text: str | None, now: float) -> float | None:
    """The moment that --since or --until names."""
    if text is None:
        return None
    ago = _AGO.fullmatch(text)
    if ago is not None:
        return now - int(ago[1]) * _UNITS[ago[2]]
    for form in _FORMATS:
        try:
            return time.mktime(time.strptime(text, form))
        except (ValueError, OverflowError):
            continue
    raise Refused(f"{text}: no time; write 2026-11-30, '2026-11-30 04:45' or, for two hours ago, 2h")


# ---- for programs


def rounded(number: float | None) -> float | None:
    """A number that is short enough to read."""
    return None if number is None else round(number, 6)


def overall(figures: Figures) -> dict[str, Any]:
    """The sums of everything."""
    totals = figures.totals
    return {
        "section": "overall",
        "first_at": when(figures.first_at),
        "last_at": when(figures.last_at),
        "seconds": rounded(figures.lasted_for()),
        "messages": totals["messages"],
        "bytes": totals["bytes"],
        "ended": totals["ended"],
        "open": len(figures.stories.open),
        "deliveries": sum(totals[verdict] for verdict in OUTCOMES),
        **{verdict: totals[verdict] for verdict in OUTCOMES},
        "running": len(figures.stories.flying),
        "delivered_bytes": totals["delivered_bytes"],
        "bounces": totals["bounces"],
        "triple_bounces": totals["triple_bounces"],
        "delay_mean": rounded(figures.delays.mean()),
        "delay_median": figures.delays.median(),
        "delay_max": rounded(figures.delays.longest) if figures.delays.count else None,
        "concurrency_local": rounded(figures.concurrency(b"local")),
        "concurrency_remote": rounded(figures.concurrency(b"remote")),
        "peak_local": figures.peak[b"local"],
        "peak_remote": figures.peak[b"remote"],
        "exits": totals["exits"],
        "alerts": totals["alerts"],
        "warnings": totals["warnings"],
        "other_lines": totals["other_lines"],
        "messages_dropped": figures.stories.dropped,
        "deliveries_without_start": figures.stories.orphans,
    }


def tables(figures: Figures) -> Iterator[tuple[str, str, Table]]:
    """The lists: name of the section, heading, rows."""
    yield "deferral", "Put off, by reason", figures.reasons["deferral"]
    yield "failure", "Failed, by reason", figures.reasons["failure"]
    yield "domain", "By domain of the recipient", figures.domains
    yield "sender", "By sender", figures.senders
    yield "recipient", "By recipient", figures.recipients
    yield "trouble", "Alerts and warnings", figures.troubles


def row_facts(row: Row) -> dict[str, Any]:
    """What a row holds."""
    return {
        "messages": row.messages,
        "bytes": row.bytes,
        **{verdict: row.counts.get(verdict, 0) for verdict in OUTCOMES},
        "seconds_mean": rounded(row.seconds / row.timed) if row.timed else None,
    }


def values(figures: Figures, top: int) -> Iterator[dict[str, Any]]:
    """Everything as JSON values."""
    yield overall(figures)
    for section, _, table in tables(figures):
        for name, row in table.largest(top):
            yield {"section": section, "name": name, **row_facts(row)}
        if table.joined:
            yield {"section": section, "name": None, "rows_joined": table.joined, **row_facts(table.others)}


# ---- for people


def report(figures: Figures, top: int) -> Iterator[str]:
    """Everything, line by line."""
    yield from heading(overall(figures), figures)
    for section, title, table in tables(figures):
        rows = table.largest(top)
        if not rows:
            continue
        yield ""
        yield f"{title}{f' (the first {top} of {len(table.rows)})' if len(table.rows) > top else ''}:"
        yield from (counted(rows) if section in ("deferral", "failure", "trouble")
                    else columns(rows, has_messages=section == "sender"))
        if table.joined:
            yield f"  and {table.joined} small ones, which are not listed"


def heading(sums: dict[str, Any], figures: Figures) -> Iterator[str]:
    """The sums of everything."""
    if figures.first_at is not None and figures.last_at is not None:
        yield (f"{moment(figures.first_at).strip()} to {moment(figures.last_at).strip()} "
               f"({span(figures.last_at - figures.first_at)})")
    yield (f"messages:    {sums['messages']} arrived with {sums['bytes']} bytes, {sums['ended']} left, "
           f"{sums['open']} still open")
    put_off = sums["deferral"] + sums["mangled"]
    yield (f"deliveries:  {sums['deliveries']}: {sums['success']} delivered, {put_off} put off, "
           f"{sums['failure']} failed, {sums['lost']} without a report")
    yield f"bounces:     {sums['bounces']}, and {sums['triple_bounces']} discarded as triple"
    mean, median = sums["delay_mean"], sums["delay_median"]
    if mean is not None and median is not None:
        yield (f"delay:       mean {span(mean)}, median {span(median)}, longest {span(sums['delay_max'])}, "
               f"from arrival to delivery")
    if sums["concurrency_local"] is not None:
        yield (f"concurrency: local {sums['concurrency_local']:.2f} (at most {sums['peak_local']}), "
               f"remote {sums['concurrency_remote']:.2f} (at most {sums['peak_remote']})")
    yield f"trouble:     {sums['alerts']} alerts, {sums['warnings']} warnings"
    if sums["messages_dropped"]:
        yield f"more messages were open at once than are kept in mind; {sums['messages_dropped']} were dropped"


def counted(rows: list[tuple[str, Row]]) -> Iterator[str]:
    """Rows that have nothing but their number."""
    for name, row in rows:
        yield f"  {row.weight:>8}  {name}"


def columns(rows: list[tuple[str, Row]], has_messages: bool) -> Iterator[str]:
    """Rows with what became of their deliveries."""
    first = f"{'messages':>8} {'bytes':>12} " if has_messages else ""
    yield f"  {first}{'delivered':>9} {'put off':>8} {'failed':>8} {'seconds':>9}"
    for name, row in rows:
        first = f"{row.messages:>8} {row.bytes:>12} " if has_messages else ""
        put_off = row.counts.get("deferral", 0) + row.counts.get("mangled", 0)
        seconds = f"{row.seconds / row.timed:.2f}" if row.timed else "-"
        yield (f"  {first}{row.counts.get('success', 0):>9} {put_off:>8} "
               f"{row.counts.get('failure', 0):>8} {seconds:>9}  {name}")
