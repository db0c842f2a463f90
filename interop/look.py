"""What a wire-tapper, and whoever reads the netDb, sees of ramson beside i2pd: docs/wire-look.md, measured.

As many new routers of both kinds join one network, do the same there, and every TCP segment between routers is
recorded on loopback, by a process of its own. Sizes are those of writes, since nothing else shows: a handshake's
messages by their place, then what one frame of a known content can measure. Needs the right to listen there (root, or
CAP_NET_RAW).
"""
import json
import signal
import socket
import struct
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import sam
from i2pd import TRANSPORT, Router
from ramson import Ramson
from site_server import PAGE

# Segments of a connection that are kept with their order.
FIRST = 8
# Bytes of a frame around its blocks: length 2, tag 16. Of a block: 3. Of a short I2NP header: 9.
FRAME, BLOCK, HEADER = 2 + 16, 3, 9
TUNNEL_DATA, RECORD = 1028, 218
# Message 3 around the RouterInfo: the key 32 + 16, the block's header and flag, the second part's tag.
AROUND_ROUTER_INFO = 48 + BLOCK + 1 + 16
# In ours: the options, and padding of 0 to 63 bytes.
OPTIONS = BLOCK + 12
PADDING = (BLOCK, BLOCK + 63)

ETH_P_IP, SYN, ACK = 0x0800, 0x02, 0x10


def record(path, port):
    """Until SIGTERM: the first segments of each connection to a router, and sizes of all later ones by their sender."""
    tap = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(ETH_P_IP))
    tap.setsockopt(socket.SOL_SOCKET, getattr(socket, "SO_RCVBUFFORCE", 33), 64 << 20)
    tap.bind(("lo", ETH_P_IP))
    tap.settimeout(0.2)
    flows, done, writes, stop = {}, [], {}, []
    signal.signal(signal.SIGTERM, lambda *_: stop.append(True))
    print("recording", flush=True)
    while not stop:
        try:
            packet = tap.recv(120)
        except (TimeoutError, InterruptedError):
            continue
        if len(packet) < 40 or packet[0] >> 4 != 4 or packet[9] != socket.IPPROTO_TCP:
            continue
        ip_header = (packet[0] & 15) * 4
        total, = struct.unpack_from("!H", packet, 2)
        source, target = socket.inet_ntoa(packet[12:16]), socket.inet_ntoa(packet[16:20])
        ports = struct.unpack_from("!HH", packet, ip_header)
        if port not in ports:
            continue
        offset, flags = packet[ip_header + 12] >> 4, packet[ip_header + 13]
        size = total - ip_header - offset * 4
        there, back = (source, ports[0], target, ports[1]), (target, ports[1], source, ports[0])
        if flags & SYN and not flags & ACK:
            flows[there] = {"from": source, "to": target, "segments": []}
            done.append(flows[there])
        elif size > 0:
            forth, flow = there in flows, flows.get(there) or flows.get(back)
            if flow is not None and len(flow["segments"]) < FIRST:
                flow["segments"].append([forth, size])
            else:
                writes.setdefault(source, Counter())[size] += 1
    dropped = struct.unpack("II", tap.getsockopt(263, 6, 8))[1]  # SOL_PACKET, PACKET_STATISTICS
    Path(path).write_text(json.dumps({"flows": done, "writes": writes, "dropped": dropped}))


class Recorder:
    """The recording process."""

    def __init__(self, path):
        self.path = Path(path)
        self.process = subprocess.Popen([sys.executable, __file__, str(path), str(TRANSPORT)], stdout=subprocess.PIPE, text=True)
        if self.process.stdout.readline() != "recording\n":
            self.process.wait()
            raise RuntimeError("nothing can be recorded here: that takes root, or CAP_NET_RAW")

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        self.process.wait(20)
        self.process.stdout.close()

    def result(self):
        recording = json.loads(self.path.read_text())
        assert recording["dropped"] == 0, f"{recording['dropped']} segments were missed"
        return recording


class Newcomers:
    """Routers of both kinds that join, each at an address of its own."""

    def __init__(self, bed, count=3):
        self.bed, self.network = bed, bed.network
        taken = len(self.network.routers)
        self.theirs = [Router(self.network, taken + 3 + number) for number in range(count)]
        self.ours = [Ramson(bed.ramson.program, bed.directory / f"look{number}", self.network,
                            self.network.free_address(3 + count + number), extra=["http-proxy-length = 2"])
                     for number in range(count)]
        self.addresses = {router.address for router in self.theirs + self.ours}

    def start(self, timeout=90):
        for one, other in zip(self.theirs, self.ours):
            one.start()
            other.start()
        for router in self.ours:
            router.wait_ready(timeout)
        end = time.monotonic() + timeout
        while not all(router.console().get("client", 0) >= 6 for router in self.theirs):
            assert time.monotonic() < end, "the new i2pd routers have no tunnels"
            time.sleep(0.5)

    def meet(self):
        """Each i2pd builds tunnels through one of ours, so that it dials ours: by itself it hardly would."""
        for router, other in zip(self.theirs, self.ours):
            options = f"explicitPeers={other.status()['router']['hash']}"
            sam.Session(router.sam, f"meets-{other.address}", 1, 1, options=options, timeout=60).close()

    def kind(self, address):
        """Of any router of the network."""
        ours = [*self.ours, self.bed.ramson, self.bed.two_hops]
        return "ramson" if address in {router.address for router in ours} else "i2pd"

    def stop(self):
        for router in self.theirs + self.ours:
            router.stop()


def router_infos(network):
    """The RouterInfos that i2pd routers keep, by the address that each publishes."""
    found = {}
    for path in network.dir.glob("*/netDb/*/routerInfo-*.dat"):
        info = RouterInfo(path.read_bytes())
        found[info.host()] = info
    return found


class RouterInfo:
    """What is read of one: bytes, its identity's padding, addresses, options."""

    def __init__(self, raw):
        self.size = len(raw)
        at = 387 + int.from_bytes(raw[385:387], "big")
        self.padding = raw[32:352]
        at += 8
        count, at = raw[at], at + 1
        self.addresses = []
        for _ in range(count):
            cost, at = raw[at], at + 9
            style, at = self._text(raw, at)
            options, at = self._mapping(raw, at)
            self.addresses.append((style, cost, options))
        at += 1 + 32 * raw[at]
        self.options, at = self._mapping(raw, at)

    @staticmethod
    def _text(raw, at):
        end = at + 1 + raw[at]
        return raw[at + 1:end].decode(), end

    @classmethod
    def _mapping(cls, raw, at):
        end = at + 2 + int.from_bytes(raw[at:at + 2], "big")
        at, pairs = at + 2, {}
        while at < end:
            name, at = cls._text(raw, at)
            pairs[name], at = cls._text(raw, at + 1)
            at += 1
        return pairs, end

    def host(self):
        return next((options["host"] for _, _, options in self.addresses if "host" in options), None)

    def look(self):
        """What all routers of one kind have in common."""
        addresses = [(style, cost, tuple(options), options["v"]) for style, cost, options in self.addresses]
        repeated = self.padding == self.padding[:32] * 10
        return {"options": tuple(self.options), "addresses": addresses, "padding repeats 32 bytes": repeated}


def within(sizes, least, most, what):
    odd = [size for size in sizes if not least <= size <= most]
    assert not odd, f"{what}: {odd} of {sorted(sizes)}"


def handshakes(newcomers, flows, infos):
    """Sizes of messages 1, 2 and 3 less what isn't padding, by who wrote them."""
    sizes = {kind: {1: [], 2: [], 3: []} for kind in ("ramson", "i2pd")}
    for flow in flows:
        segments = flow["segments"]
        # One segment there, one back, one there: anything else was cut or broken off.
        if [forth for forth, _ in segments[:3]] != [True, False, True]:
            continue
        one, other = newcomers.kind(flow["from"]), newcomers.kind(flow["to"])
        sizes[one][1].append(segments[0][1] - 64)
        sizes[other][2].append(segments[1][1] - 64)
        # RouterInfos of new routers have one length; those of i2pd floodfills tell how many they know.
        if flow["from"] in newcomers.addresses:
            sizes[one][3].append(segments[2][1] - infos[flow["from"]].size - AROUND_ROUTER_INFO)
    return sizes


def one_block(content):
    """Sizes of a frame with one block of that content, and the padding that anyone may add: none, or 0 to 6.25 %."""
    payload = BLOCK + content
    return FRAME + payload, FRAME + payload + BLOCK + max(payload, 256) // 16


def counts(writes, addresses, spans):
    """How many writes of these routers fall in each span."""
    sizes = Counter()
    for address in addresses:
        sizes.update({int(size): count for size, count in writes.get(address, {}).items()})
    return {name: sum(count for size, count in sizes.items() if least <= size <= most) for name, (least, most) in spans.items()}


def spans():
    """What frames with one message can measure; between them lies what nobody writes alone."""
    names = {f"build of {records}": one_block(HEADER + 1 + RECORD * records) for records in (4, 8)}
    return names | {"tunnel message": one_block(HEADER + TUNNEL_DATA), "up to 256": (1, 256)}


def compare_handshakes(sizes):
    for kind in sizes:
        for message in (1, 2, 3):
            assert len(sizes[kind][message]) >= 3, f"only {sizes[kind][message]} as message {message} of {kind}"
    for message in (1, 2):
        within(sizes["ramson"][message], 0, 63, f"padding of our message {message}")
        within(sizes["i2pd"][message], 0, 222, f"padding of i2pd's message {message}")
        assert len(set(sizes["ramson"][message])) > 2, f"padding of our message {message} hardly varies"
    within(sizes["ramson"][3], OPTIONS + PADDING[0], OPTIONS + PADDING[1], "our message 3 beside the RouterInfo")
    within(sizes["i2pd"][3], 0, 0, "message 3 of i2pd beside the RouterInfo")


def compare_router_infos(newcomers, infos):
    looks = {}
    for kind, routers in (("ramson", newcomers.ours), ("i2pd", newcomers.theirs)):
        known = [infos[router.address] for router in routers]
        looks[kind] = known[0].look()
        assert all(info.look() == looks[kind] for info in known), f"RouterInfos of {kind} differ"
        for info in known:
            assert info.options["router.version"].startswith("0.9."), info.options
    assert looks["ramson"] == looks["i2pd"], looks
    return looks["ramson"]


def looks_like_i2pd(bed):
    recorder, newcomers = Recorder(bed.directory / "look.json"), Newcomers(bed)
    try:
        newcomers.start()
        newcomers.meet()
        for _ in range(2):
            for router in newcomers.ours + newcomers.theirs:
                browse(router.proxy, bed.i2pd_site(2))
        infos = wait_for_infos(newcomers)
    finally:
        recorder.stop()
        newcomers.stop()
    recording = recorder.result()
    sizes = handshakes(newcomers, recording["flows"], infos)
    everybody = {"ramson": [bed.ramson, bed.two_hops] + newcomers.ours, "i2pd": bed.network.routers + newcomers.theirs}
    found = {kind: counts(recording["writes"], [router.address for router in routers], spans()) for kind, routers in everybody.items()}
    told = {kind: {message: sorted(padding) for message, padding in by_place.items()} for kind, by_place in sizes.items()}
    print(f"    bytes of padding by message: {json.dumps(told)}\n    later writes: {json.dumps(found)}")
    compare_handshakes(sizes)
    # Of all routers, since a few new ones may build through tunnels alone, or send a build in one write with something else.
    # For the same reason none of ours need show.
    for kind, what in (("i2pd", "build of 4"), ("i2pd", "tunnel message"), ("ramson", "tunnel message")):
        assert found[kind][what] > 0, f"no {what} among the writes of {kind}: {found[kind]}"
    look = compare_router_infos(newcomers, infos)
    return f"{sum(len(by_place[1]) for by_place in sizes.values())} handshakes, options {','.join(look['options'])}"


def browse(proxy, host):
    from cases import fetch_when_up
    assert fetch_when_up(proxy, host, "/") == PAGE


def wait_for_infos(newcomers, timeout=120):
    """i2pd writes what it learned once a minute."""
    end = time.monotonic() + timeout
    while not newcomers.addresses <= set(infos := router_infos(newcomers.network)):
        assert time.monotonic() < end, "RouterInfos of new routers aren't in the netDb of i2pd"
        time.sleep(2)
    return infos


if __name__ == "__main__":
    record(sys.argv[1], int(sys.argv[2]))
