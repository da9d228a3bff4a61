#!/usr/bin/env python3
"""Recomputes the figures of a run from its raw data and compares them with its report.

    python3 docs/runs/recompute.py FOLDER...

Each folder holds a run: results.json or results.json.gz, and the report.md and measurements.csv that were made of it (the
latter may be missing). It is written from the definitions in docs/reading-a-report.md and docs/validity.md and shares no
code with the program, so that a fault in one of them shows. Every figure that deviates by more than its rounding is
printed. The exit code is 0 if none does, 1 if some do, 2 if a folder cannot be read.
"""

import base64
import csv
import functools
import gzip
import json
import math
import random
import re
import statistics
import struct
import sys
import zlib
from pathlib import Path

STEAL_LIMIT = 0.05  # of the time of a set of CPUs, in a window that counts as quiet
QUIET_NEEDED = 0.25  # of a round's time
OTHERS_LIMIT = 0.10  # of the server's or of the client's CPUs
QUOTA_LIMIT = 0.01  # of a round's time
LATE_NS, LATE_SHARE = 1e6, 0.1  # 1 % of an open loop's requests may be sent so late, or by that share of their latency
GENERATOR_BUSY, SERVER_BUSY = 0.95, 0.90
MATERIAL_ERRORS = 0.001
TURNS = 10  # answers for each connection from which on one without any was never served
SAMPLES_BEYOND = 10  # a percentile needs so many samples beyond it
RESOLUTIONS, TICK = 10, 0.01  # CPU time needs so many times the resolution of its clock, which was a tick in older records
BOOTSTRAP_FROM = 10  # pairs of rounds
NULL_SERVER = "limit"


# Raw data


def load(folder):
    plain = folder / "results.json"
    if plain.exists():
        return json.loads(plain.read_bytes())
    return json.loads(gzip.decompress((folder / "results.json.gz").read_bytes()))


def numbers(data):
    """The zig-zag LEB128 numbers of the V2 encoding: seven bits a byte, and eight in the ninth."""
    at = 0
    while at < len(data):
        value = 0
        for place in range(9):
            byte = data[at]
            at += 1
            value |= (byte if place == 8 else byte & 0x7F) << (7 * place)
            if byte < 0x80 or place == 8:
                break
        yield (value >> 1) ^ -(value & 1)


@functools.lru_cache(maxsize=None)
def buckets(text):
    """The filled buckets of an HdrHistogram in V2 encoding, in order: (least value, greatest value, count)."""
    data = base64.b64decode(text)
    (cookie,) = struct.unpack_from(">i", data)
    if cookie & ~0xF0 == 0x1C849304:
        (length,) = struct.unpack_from(">i", data, 4)
        data = zlib.decompress(data[8 : 8 + length])
        (cookie,) = struct.unpack_from(">i", data)
    if cookie & ~0xF0 != 0x1C849303:
        raise ValueError(f"{cookie:#x} is no cookie of HdrHistogram V2")
    length, offset, digits, least, _, _ = struct.unpack_from(">iiiqqd", data, 4)
    if offset:
        raise ValueError("a histogram with an offset")
    unit = int(math.log2(least))
    half = 2 ** (math.ceil(math.log2(2 * 10**digits)) - 1)
    found, index = [], 0
    for number in numbers(data[40 : 40 + length]):
        if number <= 0:
            # A negative number is a stretch of empty buckets; a single empty one is a zero.
            index += max(1, -number)
            continue
        scale = max(0, index // half - 1)
        low = (index - scale * half) << (scale + unit)
        found.append((low, low + (1 << (scale + unit)) - 1, number))
        index += 1
    return found


class Durations:
    """Stored histograms, added up."""

    def __init__(self, stored):
        stored = [one for one in stored if one["count"]]
        self.least = min((one["minimum"] for one in stored), default=0)
        self.most = max((one["maximum"] for one in stored), default=0)
        self.sum = sum(one["sum"] for one in stored)
        self.counts = {}
        for one in stored:
            held = 0
            for _, high, count in buckets(one["hdr_v2_base64"]):
                self.counts[high] = self.counts.get(high, 0) + count
                held += count
            if held != one["count"]:
                raise ValueError(f"a histogram says that it holds {one['count']} values and holds {held}")
        self.total = sum(self.counts.values())

    def percentile(self, percent):
        """The value that so many per cent do not exceed, to the resolution of the histogram; None without samples."""
        if not self.total:
            return None
        rank = max(1, math.ceil(round(percent * self.total / 100, 6)))
        seen = 0
        for high in sorted(self.counts):
            seen += self.counts[high]
            if seen >= rank:
                return min(max(high, self.least), self.most)

    def shown(self, percent):
        """The same, if enough samples lie beyond it; "few" if not."""
        if not self.total:
            return None
        beyond = round(self.total * (100 - percent) / 100, 6)
        return self.percentile(percent) if beyond >= SAMPLES_BEYOND else "few"


# Rounds


class Round:
    def __init__(self, raw, measurement):
        self.raw, self.out, self.server = raw, raw["outcome"], raw["server"]
        self.index = raw["index"]
        self.is_open = measurement["workload"]["arrival"]["loop"] != "closed"
        self.places = measurement["placement"]
        self.seconds = self.out["elapsed_ns"] / 1e9
        self.opponent = raw.get("opponent_cpu_seconds") or 0.0
        self.latency = Durations([self.out["latency"]])
        windows = self.out["windows"]
        # A tick of the kernel may be just the limit of a window.
        is_quiet = lambda one: all(self.stolen(one, cpus) <= STEAL_LIMIT + 1e-8 for cpus in self.sets())
        quiet = [one for one in windows if is_quiet(one)]
        self.noisy_windows = len(windows) - len(quiet)
        whole = sum(one["length_ns"] for one in windows)
        self.quiet_share = sum(one["length_ns"] for one in quiet) / whole if whole else 0.0
        own = self.places["server_cpus"]
        there = sum(one["length_ns"] / 1e9 * len(own) * (1 - self.stolen(one, own)) for one in quiet)
        self.available = max(0.0, there - self.opponent * self.quiet_share)
        self.quiet_responses = sum(one["responses"] for one in quiet)
        self.stolen_seconds = sum(one["length_ns"] / 1e9 * len(own) * self.stolen(one, own) for one in windows)
        self.why = self.excluded_for()

    def sets(self):
        return [self.places["server_cpus"], self.places["client_cpus"]]

    @staticmethod
    def stolen(window, cpus):
        """The share of these CPUs' time in a window that the hypervisor gave to others."""
        stolen = sum((window["steal_ns"] or {}).get(str(cpu), 0) for cpu in cpus)
        return stolen / (window["length_ns"] * len(cpus)) if window["length_ns"] and cpus else 0.0

    def excluded_for(self):
        """What the machine or the generator did that makes this round not count."""
        why = []
        if self.quiet_share < QUIET_NEEDED or (self.is_open and self.noisy_windows):
            why.append("steal")
        others = self.raw.get("others") or {}
        for taken, cpus in zip(("on_server_cpus_seconds", "on_client_cpus_seconds"), self.sets()):
            if cpus and (others.get(taken) or 0) > OTHERS_LIMIT * self.seconds * len(cpus):
                why.append("others")
        held_back = (self.server or {}).get("throttled_seconds") or 0
        if self.server and held_back > QUOTA_LIMIT * self.server["wall_seconds"]:
            why.append("quota")
        if self.is_open and self.is_late() and not set(self.places["server_cpus"]) & set(self.places["client_cpus"]):
            why.append("late")
        return why

    def is_late(self):
        """Whether the generator's lateness is a part of the latencies that is worth to be told, and of their p99."""
        lag = Durations([self.out["lag"]]).percentile(99)
        median, p99 = self.latency.percentile(50), self.latency.percentile(99)
        return lag is not None and p99 is not None and lag > max(LATE_NS, LATE_SHARE * median, LATE_SHARE * p99)

    def cpu_seconds(self):
        return self.server["cpu_user_seconds"] + self.server["cpu_system_seconds"] if self.server else None

    def resolution(self):
        stated = self.server.get("cpu_resolution_seconds")
        return TICK if stated is None else stated

    def capacity(self):
        return self.quiet_responses / self.available if self.available > 0 else None

    def cost(self):
        """Server CPU time per answer in microseconds."""
        if not self.server or not self.out["responses"] or self.cpu_seconds() < RESOLUTIONS * self.resolution():
            return None
        return 1e6 * self.cpu_seconds() / self.out["responses"]

    def p99(self):
        found = self.latency.shown(99)
        return found if found != "few" else None

    def generator_busy(self):
        shares = []
        for thread in self.out["threads"]:
            cpus = [] if thread["cpu"] is None else [thread["cpu"]]
            stolen = sum(self.stolen(one, cpus) * one["length_ns"] for one in self.out["windows"])
            if thread["wall_ns"] > stolen:
                shares.append(min(1.0, thread["cpu_ns"] / (thread["wall_ns"] - stolen)))
        return max(shares, default=None)


class Row:
    """One measurement and what it comes to."""

    def __init__(self, measurement):
        self.measurement = measurement
        self.rounds = [Round(one, measurement) for one in measurement["rounds"] if one["outcome"]]
        self.counted = [one for one in self.rounds if not one.why]
        # Without a round that counts, the figures are shown from all of them and are not ranked.
        self.used = self.counted or self.rounds
        self.name = measurement["server"]["name"]
        self.workers = measurement["configuration"]["workers"]
        self.arrival = measurement["workload"]["arrival"]
        self.is_contestant = not measurement["is_twin"] and self.name != NULL_SERVER

    def rate(self):
        seconds = sum(one.seconds for one in self.used)
        return sum(one.out["responses"] for one in self.used) / seconds if seconds else None

    def cost(self):
        """Server CPU per answer in microseconds; "short" if the clock is too coarse for it."""
        sampled = [one for one in self.used if one.server]
        answers = sum(one.out["responses"] for one in sampled)
        if not answers:
            return None
        seconds = sum(one.cpu_seconds() for one in sampled)
        is_enough = seconds >= RESOLUTIONS * sum(one.resolution() for one in sampled)
        return 1e6 * seconds / answers if is_enough else "short"

    def latency(self, percent):
        return Durations([one.out["latency"] for one in self.used]).shown(percent)

    def generator_cost(self):
        answers = sum(one.out["responses"] for one in self.used)
        spent = sum(thread["cpu_ns"] for one in self.used for thread in one.out["threads"])
        return spent / 1e3 / answers if answers else None

    def server_busy(self):
        sampled = [one for one in self.used if one.server]
        cpus = len(self.measurement["placement"]["server_cpus"])
        there = sum(max(0.0, one.server["wall_seconds"] * cpus - one.stolen_seconds - one.opponent) for one in sampled)
        return sum(one.cpu_seconds() for one in sampled) / there if there > 0 else None

    def generator_busy(self):
        shares = [share for share in (one.generator_busy() for one in self.used) if share is not None]
        return statistics.median(shares) if shares else None

    def is_generator_the_limit(self):
        """Whether the client was busy all the time and the server was not, in a closed loop on CPUs apart."""
        places = self.measurement["placement"]
        if set(places["server_cpus"]) & set(places["client_cpus"]) or self.arrival["loop"] != "closed":
            return False
        generator, server = self.generator_busy(), self.server_busy()
        if generator is None or generator < GENERATOR_BUSY:
            return False
        cpus = len(places["server_cpus"])
        usable = min(cpus, self.workers) if self.workers is not None else cpus
        return server is None or usable == 0 or min(1.0, server * cpus / usable) < SERVER_BUSY

    def faults(self):
        """What the server did wrong in any round, excluded ones too, as far as plain counts tell."""
        found = []
        work = self.measurement["workload"]
        for raw in self.measurement["rounds"]:
            # A server that had to be killed afterwards has answered, and no share can be offered of what is not known.
            if raw["failure"] and raw["failure"]["kind"] not in ("not-stopped", "no-capacity"):
                found.append("process")
            if raw["check"] and raw["check"]["problems"]:
                found.append("check")
        outs = [one.out for one in self.rounds]
        errors = {key: sum(out["errors"][key] for out in outs) for key in (outs[0]["errors"] if outs else {})}
        statuses = {int(status) for out in outs for status, count in out["statuses"].items() if count}
        if statuses - {work["expected_status"]}:
            found.append("status")
        if any(out["unexpected"]["length"] > out["unexpected"]["status"] for out in outs):
            found.append("length")
        if any(out["unexpected"]["body"] for out in outs):
            found.append("bytes")
        found += [key for key in ("truncated", "malformed", "head_too_large", "surplus", "timed_out") if errors.get(key)]
        turns = [out for out in outs if out["responses"] >= TURNS * out["plan"]["connections"]]
        if any(out["connections"]["never_served"] for out in turns):
            found.append("never served")
        connects = sum(errors.get(key, 0) for key in ("refused", "connect_timed_out", "connect_other"))
        failed = connects + sum(errors.get(key, 0) for key in ("write", "reset", "closed_early", "read_other"))
        if failed > MATERIAL_ERRORS * (sum(out["requests"] for out in outs) + connects):
            found.append("connections")
        idle = [out["idle_connections"] for out in outs if out["idle_connections"]]
        if any(one["opened"] < one["planned"] or one["ended_by_server"] for one in idle):
            found.append("idle connections")
        return found


def mean(merit, rounds):
    """The geometric mean of a figure over rounds; None where one of them does not have it."""
    values = list(map(merit, rounds))
    return math.exp(statistics.fmean(map(math.log, values))) if values and all(values) else None


class Table:
    """The measurements of one question that did the same work."""

    def __init__(self, rows):
        self.rows = rows
        loop = rows[0].arrival["loop"]
        # Each server's own share of its own capacity is another load for each.
        self.is_ranked = loop != "open-share"
        self.merit = Round.capacity if loop == "closed" else Round.p99

    def settle(self, labels):
        """Where the generator limits one that takes part, rows are ranked by cost."""
        limited = (row.is_contestant and label == "at least" for row, label in zip(self.rows, labels))
        if self.merit is Round.capacity and any(limited):
            self.merit = Round.cost

    def is_better(self, ratio):
        return ratio > 1 + 1e-9 if self.merit is Round.capacity else ratio < 1 - 1e-9


# Statistics


@functools.lru_cache(maxsize=None)
def student(degrees):
    """The distance that Student's t stays within with 95 %: the density is a power of a cosine of the angle."""

    def area(to, steps=4_000):
        width = to / steps
        heights = [math.cos(place * width) ** (degrees - 1) for place in range(steps + 1)]
        return width / 3 * (heights[0] + heights[-1] + 4 * sum(heights[1:-1:2]) + 2 * sum(heights[2:-1:2]))

    whole, low, high = area(math.pi / 2), 0.0, math.pi / 2
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if area(middle) < 0.95 * whole else (low, middle)
    return math.tan(low) * math.sqrt(degrees)


def bootstrap(logs):
    """The same for many rounds: draws of rounds, each moved by normal noise of the mean's standard error (Hesterberg 2004),
    studentised and taken without its sign (Hall 1988)."""
    middle, error = statistics.fmean(logs), statistics.stdev(logs) / math.sqrt(len(logs))
    chance = random.Random(len(logs))
    distances = []
    for _ in range(10_000):
        drawn = [chance.choice(logs) + error * chance.gauss(0, 1) for _ in logs]
        distances.append(abs(statistics.fmean(drawn) - middle) / (statistics.stdev(drawn) / math.sqrt(len(drawn))))
    return sorted(distances)[int(0.95 * len(distances))]


def ratio(merit, row, other):
    """(ratio, low, high, pairs) of two rows over the rounds in which both count; None without such a round."""
    partners = {one.index: merit(one) for one in other.counted}
    pairs = [(merit(one), partners.get(one.index)) for one in row.counted]
    logs = [math.log(one / two) for one, two in pairs if one and two]
    if len(logs) < 2 and max(len(row.counted), len(other.counted)) > len(logs):
        # One round in common gives no interval, and could contradict figures of several rounds.
        figures = mean(merit, row.counted), mean(merit, other.counted)
        return (figures[0] / figures[1], None, None, 0) if all(figures) else None
    if not logs:
        return None
    middle = statistics.fmean(logs)
    if len(logs) == 1:
        return math.exp(middle), None, None, 1
    error = statistics.stdev(logs) / math.sqrt(len(logs))
    reach = 0.0
    if error > 1e-12:
        reach = error * (student(len(logs) - 1) if len(logs) < BOOTSTRAP_FROM else bootstrap(logs))
    return math.exp(middle), math.exp(middle - reach), math.exp(middle + reach), len(logs)


# The report


def cells(line):
    return [cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", line.strip())[1:-1]]


def tables_of(markdown):
    """The tables of a report in Markdown, as lists of dictionaries by heading."""
    lines = markdown.splitlines()
    found = []
    for place, line in enumerate(lines[1:], 1):
        if line.startswith("|") and set(line) <= set("|:- ") and lines[place - 1].startswith("|"):
            titles = cells(lines[place - 1])
            rows = []
            for text in lines[place + 1 :]:
                if not text.startswith("|"):
                    break
                rows.append(dict(zip(titles, cells(text))))
            found.append(rows)
    return found


UNITS = {"ns": 1, "µs": 1e3, "ms": 1e6, "s": 1e9, "%": 0.01}


def printed(text):
    """A printed number with its unit: (value, half of its last place); None if it is none."""
    match = re.fullmatch(r"[≥≤~ ]*(-?[\d,]+)(\.\d+)? ?([^\d\s]\S*)?", text.strip())
    if not match or (match[3] and match[3] not in UNITS):
        return None
    whole, decimals, unit = match[1].replace(",", ""), match[2] or "", UNITS.get(match[3], 1)
    return float(whole + decimals) * unit, 0.5 * unit * 10.0 ** -max(0, len(decimals) - 1)


def agrees(text, value, slack=0.0):
    """Whether a cell shows this value, rounded as it is; `slack` is a further relative deviation that is let pass."""
    unknown = text.strip() in ("–", "-", "")
    if value is None or unknown:
        return value is None and unknown
    if value == "few":
        return "too few" in text
    if value == "short":
        return "too short" in text
    if text.startswith("over "):
        return value > printed(text[5:])[0] * (1 - slack)
    if text.startswith("under "):
        return value < printed(text[6:])[0] * (1 + slack)
    shown = printed(text)
    return shown is not None and abs(shown[0] - value) <= shown[1] * 1.001 + abs(value) * (slack + 1e-9)


class Comparison:
    """Figures of a run beside those of its report."""

    def __init__(self, folder):
        self.folder, self.checked, self.deviations = folder, 0, []
        run = load(folder)
        groups = {}
        for part in run["parts"]:
            for measurement in run["measurements"]:
                if measurement["part"] == part["suite"]:
                    groups.setdefault((part["suite"], measurement["workload_hash"]), []).append(Row(measurement))
        self.tables = [(suite, Table(rows)) for (suite, _), rows in groups.items()]

    def expect(self, where, what, is_right, shown, expected):
        self.checked += 1
        if not is_right:
            self.deviations.append(f"{where}: {what} is {shown!r} and should be {expected}")

    def of_cell(self, where, line, title, value, scale=1.0, slack=0.0):
        """Compares the cell below a title, which may be followed by a unit there; nothing if there is no such column."""
        if title in line:
            scaled = value * scale if isinstance(value, (int, float)) else value
            self.expect(where, title, agrees(line[title], scaled, slack), line[title], scaled)

    def markdown(self):
        tables = tables_of((self.folder / "report.md").read_text())
        shown = [rows for rows in tables if rows and {"server", "rank", "req/s"} <= set(rows[0])]
        self.expect("report.md", "the number of tables", len(shown) == len(self.tables), len(shown), len(self.tables))
        for (suite, table), lines in zip(self.tables, shown):
            self.expect(suite, "the number of rows", len(lines) == len(table.rows), len(lines), len(table.rows))
            self.table(suite, table, lines)

    def table(self, suite, table, lines):
        table.settle([line["validity"] for line in lines])
        ranked = []
        for row, line in zip(table.rows, lines):
            where = f"{suite}, {line['server']}, {line['workers']} workers, log {line['log']}"
            self.expect(where, "server", line["server"].split()[0] == row.name, line["server"], row.name)
            self.of_cell(where, line, "workers", row.workers)
            self.standing(where, table, row, line)
            self.rounds(where, row, line)
            self.of_cell(where, line, "req/s", row.rate())
            self.of_cell(where, line, "req / CPU-s", mean(Round.capacity, row.used))
            self.of_cell(where, line, "server µs/req", table_cost(table, row))
            self.of_cell(where, line, "p99", table_p99(table, row))
            if line["rank"].isdigit():
                ranked.append((int(line["rank"]), where, row, line))
        ranked.sort(key=lambda one: one[0])
        ranks = [one[0] for one in ranked]
        self.expect(suite, "ranks", ranks == list(range(1, len(ranks) + 1)), ranks, "1, 2, 3 ...")
        if not table.is_ranked:
            self.expect(suite, "ranks at a share of the capacity", not ranked, len(ranked), 0)
        before = None
        for rank, where, row, line in ranked:
            found = ratio(table.merit, row, ranked[0][2])
            if before and found:
                is_right = not table.is_better(found[0] / before)
                self.expect(where, f"the ratio at rank {rank}", is_right, found[0], f"no better than {before}")
            before = found and found[0]
            if rank > 1:
                self.to_best(where, line, found)
            else:
                self.expect(where, "to best", line["to best"] == "1", line["to best"], "1")

    def rounds(self, where, row, line):
        """How many rounds count, of how many."""
        if "rounds" in line and row.rounds:
            all_of_them, counted = len(row.rounds), len(row.counted)
            expected = str(all_of_them) if counted == all_of_them else f"{counted} of {all_of_them}"
            why = ", ".join(f"round {one.index}: {' and '.join(one.why)}" for one in row.rounds if one.why)
            self.expect(where, "rounds that count", line["rounds"] == expected, line["rounds"], f"{expected} ({why})")

    def standing(self, where, table, row, line):
        label, faults = line["validity"], row.faults()
        # What takes more than plain counts to tell: overload, stuck requests, halves that differ, contradictions.
        others = {"not valid", "too noisy"}
        if not row.measurement["rounds"]:
            expected = {"not measured yet"}
        elif faults:
            expected = {"not valid"}
        elif not row.counted:
            expected = others
        elif row.is_generator_the_limit():
            expected = {"at least", *others}
        else:
            expected = {"valid", *others}
        is_right = label in expected or (label.startswith("kept in ") and not faults and row.arrival["loop"] != "closed")
        known = f"{', '.join(faults) or 'no plain fault'}, {len(row.counted)} rounds count"
        self.expect(where, f"validity ({known})", is_right, label, " or ".join(sorted(expected)))
        if line["rank"].isdigit():
            may_be = label == "valid" or (label == "at least" and table.merit is Round.cost)
            self.expect(where, "rank", may_be and row.is_contestant and bool(row.counted), line["rank"], "none")

    def to_best(self, where, line, found):
        text = line["to best"]
        match = re.fullmatch(r"([^(]+?)(?: \((.+) to (.+)\))?", text)
        if found is None or match is None or text == "–":
            self.expect(where, "to best", found is None and text == "–", text, found)
            return
        middle, low, high, pairs = found
        self.expect(where, "to best", agrees(match[1], middle), text, middle)
        # A bootstrap draws: two of them agree to some per cent of the interval's half width.
        slack = 0.08 * math.log(high / middle) if pairs >= BOOTSTRAP_FROM else 0.0
        for shown, end, name in ((match[2], low, "low end"), (match[3], high, "high end")):
            self.expect(where, f"{name} of the interval", agrees(shown or "–", end, slack), text, end)

    def csv(self):
        path = self.folder / "measurements.csv"
        if not path.exists():
            return
        with path.open(newline="") as file:
            lines = list(csv.DictReader(file))
        rows = [(suite, table, row) for suite, table in self.tables for row in table.rows]
        self.expect("measurements.csv", "the number of rows", len(lines) == len(rows), len(lines), len(rows))
        for (suite, table, row), line in zip(rows, lines):
            where = f"measurements.csv, {suite}, {line['server']}, {line['workers']} workers"
            cells = {
                "requests per second": row.rate(),
                "requests per available CPU-second": mean(Round.capacity, row.used),
                "server CPU in µs per request": table_cost(table, row),
                "client CPU in µs per request": row.generator_cost(),
                "server CPU used over available": row.server_busy(),
                "client CPU used over available": row.generator_busy(),
                "p50 in µs": microseconds(row.latency(50)),
                "p99 in µs": microseconds(table_p99(table, row)),
            }
            for title, value in cells.items():
                if title in line:
                    self.plain_cell(where, line, title, value)

    def plain_cell(self, where, line, title, value):
        """A cell for programs: a number of six digits, or nothing."""
        text = line[title]
        if not isinstance(value, (int, float)):
            self.expect(where, title, text == "", text, value)
        else:
            is_right = text != "" and math.isclose(float(text), value, rel_tol=1e-5, abs_tol=1e-12)
            self.expect(where, title, is_right, text, value)


def microseconds(nanoseconds):
    return nanoseconds / 1e3 if isinstance(nanoseconds, (int, float)) else nanoseconds


def table_cost(table, row):
    """Server CPU per answer as a table shows it: where rows are ranked by it, what they are ranked by."""
    if table.merit is not Round.cost:
        return row.cost()
    return mean(Round.cost, row.used) or ("short" if any(one.server for one in row.used) else None)


def table_p99(table, row):
    """The same of the p99."""
    if table.merit is not Round.p99:
        return row.latency(99)
    return mean(Round.p99, row.used) or ("few" if any(one.latency.total for one in row.used) else None)


def main(folders):
    if not folders:
        print(__doc__.strip(), file=sys.stderr)
        return 2
    worst = 0
    for folder in map(Path, folders):
        try:
            comparison = Comparison(folder)
            comparison.markdown()
            comparison.csv()
        except (OSError, EOFError, ValueError, KeyError) as error:
            print(f"{folder}: cannot be recomputed: {type(error).__name__}: {error}", file=sys.stderr)
            worst = 2
            continue
        for deviation in comparison.deviations:
            print(f"{folder}: {deviation}")
        print(f"{folder}: {comparison.checked} figures recomputed, {len(comparison.deviations)} deviate")
        worst = max(worst, 1 if comparison.deviations else 0)
    return worst


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
