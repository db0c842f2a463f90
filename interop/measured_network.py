"""The networks in which interop/speed measures."""
import contextlib
import itertools
import statistics
import time
from typing import NamedTuple

import measure
import sam
from i2pd import Network, Router, b64, identity_hash
from ramson import Ramson
from site_server import Site

KINDS = ("ramson", "i2pd")
# The hops that stand next to both ends, and those at the far ends of both tunnels.
HOP_PLACES = ("next to the ends", "where tunnels meet")


class Condition(NamedTuple):
    """What holds for each direction between two routers."""
    delay: float = 0
    jitter: float = 0
    loss: float = 0
    rate: float = 0

    @property
    def name(self):
        parts = [f"{self.delay:g} ms"] + [f"{value:g} {unit}" for value, unit in
                                          ((self.jitter, "ms jitter"), (self.loss, "% loss"), (self.rate, "kB/s")) if value]
        return ", ".join(parts)

    @property
    def slow(self):
        """Waiting takes the time, not processors: then several things can be measured at once, and each takes longer."""
        return self.delay >= 10


LOOPBACK = Condition()


def all_ready(routers):
    return max(measure.together([router.wait_ready for router in routers]))


class MeasuredNetwork:
    """8 i2pd and 4 ramson. i2pd7 and the first ramson call, i2pd8 and the second are called and have a site; i2pd5, i2pd6 and the
    other ramsons are hops whose processor time is looked at."""

    def __init__(self, options, where, directory):
        self.options, self.where = options, where
        self.network = Network(directory / "i2pd", options.i2pd, places=where, net_id=78, length=2)
        self.sites, self.ramsons = [], []
        called = self.network.routers[7]
        # The ends are nobody's hops, or their processor time would be that too.
        for router in self.network.routers[6:]:
            router.more["notransit"] = "true"
        try:
            self.network.serve(7, "page", "http", *self._site(called.address), 2)
            self.network_secs = self.network.start()
            self.ramsons = [self._ramson(directory, number) for number in range(1, 5)]
            for router in self.ramsons:
                router.start()
            self.ready_secs = all_ready(self.ramsons)
            self.page_hosts = {"i2pd": called.service_address("page"), "ramson": self.ramsons[1].status()["destinations"]}
            self.page_hosts["ramson"] = next(d["b32"] for d in self.page_hosts["ramson"] if d["name"] == "page")
            self.new = {"ramson": self._ramson(directory, 9), "i2pd": Router(self.network, 18)}
            self.through = None
        except BaseException:
            self.stop()
            raise
        self.callers = {"ramson": self.ramsons[0], "i2pd": self.network.routers[6]}
        self.listeners = {"ramson": self.ramsons[1], "i2pd": called}
        self.hops = {"ramson": self.ramsons[2:], "i2pd": self.network.routers[4:6]}

    def _site(self, address):
        self.sites.append(Site(address, big_bytes=1))
        return self.sites[-1].address

    def _ramson(self, directory, number):
        address, served = self.network.free_address(number), []
        if number == 2:
            host, port = self._site(address)
            served = [{"name": "page", "type": "http-server", "target": f"{host}:{port}", "keys": "page.keys", "inbound-length": 2,
                       "outbound-length": 2}]
        settings = ["http-proxy-length = 2", *self.options.ramson_setting, *(self.options.end_setting if number <= 2 else [])]
        return Ramson(self.options.program, directory / f"ramson{number}", self.network, address, served, extra=settings)

    def stop(self):
        for router in self.ramsons:
            with contextlib.suppress(RuntimeError):
                router.stop()
        self.network.stop()
        for site in self.sites:
            site.stop()
        self.where.stop()

    def measure(self, condition, number, table):
        """One round. What fails is said and counted, and the rest goes on."""
        def tried(row, function):
            try:
                function()
            except Exception as error:  # noqa: BLE001 - whatever went wrong is a figure that is missing
                print(f"    round {number}, {row}: {type(error).__name__} {error}", flush=True)
                table.failed(condition, row)

        began, parts = time.monotonic(), []

        def part(name, functions):
            at = time.monotonic()
            measure.together(functions)
            parts.append(f"{name} {time.monotonic() - at:.0f}")

        pairs = [("ramson", "ramson"), ("i2pd", "i2pd"), ("ramson", "i2pd"), ("i2pd", "ramson")]
        pairs = pairs[2 * number % 4:] + pairs[:2 * number % 4]
        part("sessions and streams", [lambda: tried("sessions", lambda: self._with_sessions(condition, number, table, pairs, tried))])
        pages = [lambda pair=pair: tried(" → ".join(pair), lambda: self._pages(condition, table, pair)) for pair in pairs]
        new = [lambda kind=kind: tried(f"new {kind}", lambda: self._new(condition, table, kind)) for kind in KINDS]
        for some in [pages + new] if condition.slow else [*([page] for page in pages), new]:
            part("pages and new routers", some)
        part("hops", [lambda: tried("hops", lambda: self._hops(condition, table))])
        dead = self.network.dead()
        if dead:
            raise SystemExit(f"i2pd died: {', '.join(router.name for router in dead)}")
        print(f"    {condition.name}, round {number}: {time.monotonic() - began:.0f} s ({', '.join(parts)})", flush=True)

    def _with_sessions(self, condition, number, table, pairs, tried):
        stamp = f"{condition.name}-{number}".replace(" ", "").replace(",", "-").replace("%", "")
        routers = [(router, f"{side}-{stamp}") for side, ends in (("out", self.callers), ("in", self.listeners)) for router in ends.values()]
        sessions = measure.together([lambda router=router, name=name: measure.open_session(router, name, 2) for router, name in routers])
        try:
            callers, listeners = dict(zip(KINDS, sessions[:2], strict=True)), dict(zip(KINDS, sessions[2:], strict=True))
            for caller, listener in itertools.product(callers.values(), listeners.values()):
                caller.wait_for(listener.destination)
            for group in [pairs[:2], pairs[2:]] if condition.slow else [[pair] for pair in pairs]:
                tried(" and ".join(" → ".join(pair) for pair in group),
                      lambda group=group: self._streams(condition, table, group, callers, listeners))
        finally:
            for session in sessions:
                session.close()

    def _streams(self, condition, table, pairs, callers, listeners):
        """The pairs at once, none of which has an end of another."""
        pids = [ends[kind].process.pid for pair in pairs for ends, kind in zip((self.callers, self.listeners), pair, strict=True)]
        all_megabytes, all_cpu = [0] * len(pairs), [0] * len(pids)
        for column, count, seconds in (("one", 1, 12 if condition.slow else 4), ("ten", 10, 8 if condition.slow else 4)):
            jobs = [lambda pair=pair, count=count: measure.Streams(callers[pair[0]], listeners[pair[1]], count) for pair in pairs]
            rates, megabytes, cpu = measure.stream_for(seconds, jobs, pids)
            for pair, rate in zip(pairs, rates, strict=True):
                table.add(condition, " → ".join(pair), column, rate)
            all_megabytes = [sum(both) for both in zip(all_megabytes, megabytes, strict=True)]
            all_cpu = [sum(both) for both in zip(all_cpu, cpu, strict=True)]
            time.sleep(1)
        for number, (pair, amount) in enumerate(zip(pairs, all_megabytes, strict=True)):
            for column, cpu in zip(("sender", "receiver"), all_cpu[2 * number:], strict=False):
                table.add(condition, " → ".join(pair), column, 1000 * cpu / amount)

    def _pages(self, condition, table, pair):
        proxy, host = self.callers[pair[0]].proxy, self.page_hosts[pair[1]]
        times = measure.page_secs(proxy, host, *(10, 12) if condition.slow else (20, 4))
        table.add(condition, " → ".join(pair), "page", 1000 * statistics.median(times))

    def _new(self, condition, table, kind):
        table.add(condition, f"new {kind}", "ready", measure.secs_until_page(self.new[kind], self.page_hosts["i2pd"]))

    def _hops(self, condition, table):
        """Two i2pd send through tunnels whose hops are given, all at once: each hop has its own streams and processor time."""
        if self.through is None:
            self.through = measure.together([lambda kind=kind, place=place, hop=hop: self._open_through(kind, place, hop)
                                             for kind in KINDS for place, hop in zip(HOP_PLACES, self.hops[kind], strict=True)])
        jobs = [lambda pair=pair: measure.Streams(*pair, 1) for _, _, _, pair in self.through]
        rates, megabytes, cpu = measure.stream_for(6, jobs, [hop.process.pid for _, _, hop, _ in self.through])
        for (kind, place, _, _), rate, amount, secs in zip(self.through, rates, megabytes, cpu, strict=True):
            table.add(condition, f"hop {kind}", f"rate, {place}", rate)
            table.add(condition, f"hop {kind}", place, 1000 * secs / amount)

    def _open_through(self, kind, place, hop):
        """A pair of sessions, for all rounds. Two i2pd that dialed each other at one moment may be unreachable to each other for
        long; then another router takes the second place in the tunnels."""
        hop_hash = hop.hash if kind == "i2pd" else hop.status()["router"]["hash"]
        for other in self.network.routers[:4]:
            peers = [hop_hash, other.hash] if place == HOP_PLACES[0] else [other.hash, hop_hash]
            pair = []
            try:
                for router in (self.callers["i2pd"], self.listeners["i2pd"]):
                    name = f"through-{kind}-{HOP_PLACES.index(place)}-{other.name}-{len(pair)}"
                    pair.append(measure.open_session(router, name, 2, options=f"explicitPeers={','.join(peers)}", timeout=40))
                pair[0].wait_for(pair[1].destination, timeout=30)
                return kind, place, hop, pair
            except (OSError, sam.SamError):
                for session in pair:
                    session.close()
        raise RuntimeError(f"no tunnels through a hop of {kind}, {place}")


class RamsonNetwork:
    """ramson routers only, on loopback."""

    net_id = 79

    def __init__(self, options, directory, routers=10, floodfills=5):
        self.bundle = directory / "bundle"
        self.bundle.mkdir(parents=True)
        settings = ["http-proxy-length = 3", *options.ramson_setting]
        self.routers = [Ramson(options.program, directory / f"ramson{number}", self, f"127.{50 + number}.0.1", reseed=self.bundle,
                               extra=[*settings, f"floodfill = {'true' if number <= floodfills else 'false'}"])
                        for number in range(1, routers + 1)]

    def start(self):
        # A short first run of each makes its RouterInfo.
        for router in self.routers:
            router.start()
        for router in self.routers:
            path = router.dir / "data" / "router.info"
            end = time.monotonic() + 30
            while not path.exists():
                if time.monotonic() > end or not router.alive():
                    raise RuntimeError(f"{path} did not come")
                time.sleep(0.05)
            raw = path.read_bytes()
            (self.bundle / f"routerInfo-{b64(identity_hash(raw))}.dat").write_bytes(raw)
            router.stop()
        for router in self.routers:
            router.start()
        return all_ready(self.routers)

    def stop(self):
        for router in self.routers:
            with contextlib.suppress(RuntimeError):
                router.stop()


def measure_goal(options, rounds=3, seconds=6):
    """MB/s of one stream over 3+3 hops, of each round, and processor milliseconds per MB of all routers together."""
    network = RamsonNetwork(options, options.dir / "goal")
    rates, cpu_per_megabyte = [], []
    try:
        network.start()
        pids = [router.process.pid for router in network.routers]
        for number in range(rounds):
            ends = network.routers[-2:]
            sessions = [measure.open_session(router, f"goal{number}", 3) for router in ends]
            sessions[0].wait_for(sessions[1].destination)
            rate, megabytes, cpu = measure.stream_for(seconds, [lambda: measure.Streams(*sessions, 1)], pids)
            rates.append(rate[0])
            cpu_per_megabyte.append(1000 * sum(cpu) / megabytes[0])
            for session in sessions:
                session.close()
    finally:
        network.stop()
    return rates, cpu_per_megabyte
