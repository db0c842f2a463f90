"""Figures of interop/speed: medians of rounds, ratios to i2pd's, and the verdict."""
import statistics
from collections import defaultdict

REFERENCE = "i2pd → i2pd"
PAIRS = ("ramson → ramson", "ramson → i2pd", "i2pd → ramson", REFERENCE)
# Column of a pair, heading, more is better, digits.
COLUMNS = (("one", "one stream MB/s", True, 2), ("ten", "ten streams MB/s", True, 2), ("page", "page ms", False, 1),
           ("sender", "sender CPU ms/MB", False, 1), ("receiver", "receiver CPU ms/MB", False, 1))
GOAL = 33.0


class Table:
    def __init__(self):
        self.conditions = []
        self.samples = defaultdict(list)
        self.failures = defaultdict(int)
        self.goal = None

    def add_condition(self, condition):
        self.conditions.append(condition)

    def add(self, condition, row, column, value):
        self.samples[condition.name, row, column].append(value)

    def failed(self, condition, row):
        self.failures[condition.name, row] += 1

    def median(self, condition, row, column):
        samples = self.samples.get((condition.name, row, column))
        return statistics.median(samples) if samples else None

    def raw(self):
        return {"samples": [{"condition": c, "row": r, "column": col, "values": v} for (c, r, col), v in self.samples.items()],
                "failures": [{"condition": c, "row": r, "count": n} for (c, r), n in self.failures.items()], "goal": self.goal}

    def cells(self, condition):
        """All figures that the floor is about: name, key of ours, key of i2pd's, more is better."""
        for row in PAIRS[:3]:
            for column, heading, more, _ in COLUMNS:
                ends = row.split(" → ")
                if {"sender": ends[0], "receiver": ends[1]}.get(column, "ramson") == "ramson":
                    yield f"{row}, {heading}", (row, column), (REFERENCE, column), more
        yield "hop next to the ends, CPU ms/MB", ("hop ramson", "next to the ends"), ("hop i2pd", "next to the ends"), False
        yield "hop where tunnels meet, CPU ms/MB", ("hop ramson", "where tunnels meet"), ("hop i2pd", "where tunnels meet"), False
        yield "new router, s to its first page", ("new ramson", "ready"), ("new i2pd", "ready"), False

    def judge(self, condition):
        """Of each figure its name, ours, i2pd's, whether it is worse, and whether i2pd's own rounds spread as far."""
        for name, ours, theirs, more in self.cells(condition):
            one, other = self.median(condition, *ours), self.median(condition, *theirs)
            if one is None or other is None:
                yield name, one, other, True, False
                continue
            spread = self.samples[condition.name, *theirs]
            worse = one < other if more else one > other
            yield name, one, other, worse, min(spread) <= one <= max(spread)

    def print_condition(self, condition):
        rounds = len(self.samples.get((condition.name, REFERENCE, "one"), []))
        print(f"\n{condition.name}: medians of {rounds} rounds, in brackets by how much of i2pd → i2pd's")
        print(f"{'':>16}" + "".join(f"{heading:>22}" for _, heading, _, _ in COLUMNS))
        for row in PAIRS:
            print(f"{row:>16}" + "".join(self._cell(condition, (row, column), (REFERENCE, column), digits) for column, _, _, digits in COLUMNS))
        for name, row, column, digits in (
                ("hop CPU ms/MB, next to the ends", "hop {}", "next to the ends", 1), ("   MB/s through it", "hop {}", "rate, next to the ends", 2),
                ("hop CPU ms/MB, where tunnels meet", "hop {}", "where tunnels meet", 1),
                ("   MB/s through it", "hop {}", "rate, where tunnels meet", 2), ("new router: s to its first page", "new {}", "ready", 1)):
            print(f"{name:>38}" + "".join(
                f"   {kind}{self._cell(condition, (row.format(kind), column), (row.format('i2pd'), column), digits):>16}" for kind in ("ramson", "i2pd")))
        print(flush=True)

    def _cell(self, condition, key, reference, digits):
        value, base = self.median(condition, *key), self.median(condition, *reference)
        if value is None:
            return f"{'-':>22}"
        ratio = f" ({value / base:.2f})" if base and key != reference else " " * 7
        return f"{value:.{digits}f}{ratio}".rjust(22)

    def print_goal(self, goal):
        self.goal = goal
        rates, cpu = goal
        median = statistics.median(rates)
        print(f"one stream over 3+3 hops among ramson routers, loopback: {median:.1f} MB/s (rounds: {', '.join(f'{r:.1f}' for r in rates)}), "
              f"{statistics.median(cpu):.0f} ms of processor time per MB in all routers together; "
              f"goal {GOAL:.0f} MB/s: {'reached' if median >= GOAL else 'not reached'}", flush=True)

    def print_verdict(self, complete):
        """Whether the floor holds."""
        judged = [(condition, *figure) for condition in self.conditions for figure in self.judge(condition)]
        below = [figure for figure in judged if figure[4]]
        for (condition, row), count in self.failures.items():
            print(f"failed {count} times: {condition}, {row}")
        for condition, name, one, other, _, within in below:
            figures = "not measured" if one is None or other is None else f"{one:.2f}, i2pd {other:.2f}"
            print(f"below i2pd: {condition.name}, {name}: {figures}{' (within the spread of its rounds)' if within else ''}")
        if not below and complete and judged:
            print(f"FLOOR HOLDS: none of {len(judged)} figures is worse than i2pd's")
            return True
        within = sum(figure[5] for figure in below)
        print(f"FLOOR DOES NOT HOLD: {len(below)} of {len(judged)} figures are worse than i2pd's, {within} of them within the spread of its rounds"
              if below else f"none of {len(judged)} figures is worse than i2pd's, but not all parts were measured")
        return False
