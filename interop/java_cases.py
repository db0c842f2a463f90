"""What ramson must do among Java I2P routers. Each case is a function of the testbed; its name is the claim. In the first cases the
other routers are Java's only, so whatever works, works through them.

Java's first two routers are floodfills. Java programs stand at the other two: a floodfill's own ones ask the other floodfill only, and
find little in so small a network, of Java's too."""
import base64
import contextlib
import hashlib
import threading
import time

import cases
import sam
from i2pd import TO_PLAIN
from places import at
from site_server import PAGE


def until(done, timeout, what):
    end = time.monotonic() + timeout
    while not (result := done()):
        if time.monotonic() > end:
            raise AssertionError(f"not within {timeout} s: {what}")
        time.sleep(0.5)
    return result


def connections(address):
    """Established TCP connections of a place: of ours the port, of the other its address and port."""
    with at(address), open("/proc/thread-self/net/tcp") as table:
        rows = [line.split() for line in list(table)[1:]]
    def end(text):
        host, port = text.split(":")
        return ".".join(str(byte) for byte in reversed(bytes.fromhex(host))), int(port, 16)
    return [(end(row[1])[1], *end(row[2])) for row in rows if row[3] == "01"]


def ready_among_java_routers(bed):
    known = bed.ramson.status()["netdb"]
    assert known["routers"] <= len(bed.java.routers) + 1, f"other routers are there: {known}"
    return f"{bed.ready_secs:.1f} s, {bed.ramson.status()['builds']}"


def sessions_both_ways(bed):
    """We dialed them; and one of us that knows nobody is dialed by them, when one has it in its tunnels."""
    ours = bed.ramson.status()["router"]["hash"]
    dialed = {(host, port) for _, host, port in connections(bed.ramson.address)}
    agreed = [router for router in bed.java.routers if (router.address, router.port) in dialed and ours in router.state()[1]]
    assert agreed, f"dialed {dialed}, and known to none of them"
    one, two = bed.java.routers[2], bed.java.routers[1]
    waiting = bed.waiting.status()["router"]["hash"]
    ends = bed.ends(one, f"{waiting},{two.hash}")
    dialing = until(lambda: [host for port, host, _ in connections(bed.waiting.address) if port == bed.waiting.port], 30, "dialed by Java")
    until(lambda: waiting in one.state()[1], 10, "a session in Java's eyes")
    ends.close()
    return f"{len(agreed)} dialed by us, {len(set(dialing))} dialed us"


def java_builds_through_us_in_all_roles(bed):
    """A file between two Java programs whose tunnels lead through ramson and another router, in either order."""
    before = after = bed.ramson.status()
    peers = f"{before['router']['hash']},{bed.java.routers[0].hash}"
    caller, called = bed.ends(bed.java.routers[2], peers), bed.ends(bed.java.routers[3], peers)
    try:
        deadline, relayed = time.monotonic() + 150, {}
        while time.monotonic() < deadline and (not relayed or min(relayed.values()) < 300):
            size, digest, _ = until_found(lambda: caller.fetch(called.name, "/big"))
            assert digest == bed.site.big_sha256, f"{size} bytes of another file"
            after = bed.ramson.status()
            relayed = {role: after["transit"][role] - before["transit"][role] for role in ("participant", "gateway", "endpoint")}
    finally:
        caller.close()
        called.close()
    assert relayed and min(relayed.values()) >= 300, f"only {relayed}"
    drops = cases.new_drops(before["drops"], after["drops"])
    assert set(drops) <= cases.STATED_LIMITS, f"dropped for {drops}"
    return f"{relayed}, dropped {drops}"


def hops_beside(routers, ours):
    """Messages that Java relayed in tunnels in which we are next to it, by its role."""
    sums = {"endpoint": 0, "gateway": 0, "first": 0, "last": 0}
    for source, target, messages in (hop for router in routers for hop in router.state()[2]):
        roles = {"endpoint": source == ours and target == "-", "gateway": source == "-" and target == ours,
                 "first": source == ours and target != "-", "last": source != "-" and target == ours}
        for role, is_it in roles.items():
            sums[role] += messages * is_it
    return sums


def we_build_through_java_in_all_roles(bed):
    """Files by tunnels of ours of one hop, where Java is gateway and endpoint, and of two and three, where it is participant too.
    The Java program's own tunnels don't lead through us."""
    ours = bed.ramson.status()["router"]["hash"]
    site = bed.ends(bed.java.routers[2], f"{bed.java.routers[0].hash},{bed.java.routers[1].hash}")
    said = []
    try:
        for hops, roles in ((1, ("endpoint", "gateway")), (2, ("first", "last")), (3, ("first", "last"))):
            before = hops_beside(bed.java.routers, ours)
            session = sam.Session(bed.ramson.sam, f"through-java-{hops}", hops)
            raw = destination_of(session, site.name)
            took = fetch_by_sam(bed, session, raw, site.name)
            time.sleep(1.5)
            relayed = {role: count - before[role] for role, count in hops_beside(bed.java.routers, ours).items()}
            session.close()
            assert all(relayed[role] >= 100 for role in roles), f"{hops} hops: {relayed}"
            said.append(f"{hops} hops {took:.1f} MB/s")
    finally:
        site.close()
    return ", ".join(said)


def destination_of(session, name):
    """By our own lookup of the LeaseSet."""
    line = until(lambda: next((line for line in [session.control.ask(f"NAMING LOOKUP NAME={name}")] if "RESULT=OK" in line.split()), None),
                 60, f"the LeaseSet of {name}")
    return sam.value(line, "VALUE")


def fetch_by_sam(bed, session, destination, host):
    began = time.monotonic()
    stream = session.connect(destination)
    stream.socket.sendall(f"GET /big HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
    answer = bytearray()
    while data := stream.read():
        answer += data
    stream.close()
    body = bytes(answer).partition(b"\r\n\r\n")[2]
    assert hashlib.sha256(body).hexdigest() == bed.site.big_sha256, f"{len(body)} bytes of another file"
    return len(body) / (time.monotonic() - began) / 1e6


def java_finds_our_lease_set_and_gets_page_and_file(bed):
    client = bed.ends(bed.java.routers[2])
    try:
        return until_found(lambda: our_page_and_file(bed, client))
    finally:
        client.close()


def our_page_and_file(bed, client):
    size, digest, page = client.fetch(bed.our_site, "/")
    assert digest == hashlib.sha256(PAGE).hexdigest(), f"{size} bytes of another page"
    size, digest, millis = client.fetch(bed.our_site, "/big")
    assert digest == bed.site.big_sha256, f"{size} bytes of another file"
    return f"page {page} ms, {size / millis / 1000:.2f} MB/s"


def we_find_javas_lease_set_and_get_page_and_file(bed):
    site = bed.ends(bed.java.routers[3])
    try:
        return javas_page_and_file(bed, bed.ramson.proxy, site)
    finally:
        site.close()


def javas_page_and_file(bed, proxy, site):
    began = time.monotonic()
    page = cases.fetch_when_up(proxy, site.name, "/")
    assert b"a page from Java" in page, page[:100]
    took = time.monotonic() - began
    began = time.monotonic()
    body = cases.fetch_when_up(proxy, site.name, "/big")
    assert hashlib.sha256(body).hexdigest() == bed.site.big_sha256, f"{len(body)} bytes of another file"
    return f"page {took * 1000:.0f} ms, {len(body) / (time.monotonic() - began) / 1e6:.2f} MB/s"


def a_stream_carries_both_ways_at_once(bed):
    """A Java program sends to a program of ours by SAM, which sends back what comes. Java then closes, and resets a stream on which
    it gets anything that we sent again."""
    session = sam.Session(bed.ramson.sam, "echo", 2)
    caller = bed.ends(bed.java.routers[3])
    failures, size = [], 500_000

    def echo():
        try:
            accepted = session.start_accept()
            accepted.line()
            for _ in range(size // 10_000):
                accepted.socket.sendall(accepted.read_exactly(10_000))
            with contextlib.suppress(ConnectionResetError):
                assert not accepted.read(), "more bytes than were sent"
            accepted.close()
        except (OSError, sam.SamError, AssertionError) as error:
            failures.append(error)

    thread = threading.Thread(target=echo, daemon=True)
    thread.start()
    try:
        name = sam_name(session)
        _, _, millis = until_found(lambda: caller.echo(name, size))
        thread.join(30)
        assert not failures and not thread.is_alive(), failures
        return f"{size / millis / 1000:.2f} MB/s each way"
    finally:
        caller.close()
        session.close()


def sam_name(session):
    raw = base64.b64decode(session.destination.translate(TO_PLAIN))
    return base64.b32encode(hashlib.sha256(raw).digest()).decode().lower().rstrip("=") + ".b32.i2p"


def until_found(function, timeout=120):
    """A session may be up before its LeaseSet is where others look."""
    end = time.monotonic() + timeout
    while True:
        try:
            return function()
        except RuntimeError as error:
            if "no LeaseSet" not in str(error) or time.monotonic() > end:
                raise
            time.sleep(1)


def i2pd_java_and_we_in_one_network(bed):
    """4 i2pd come into the network. All find each other's LeaseSets."""
    bed.start_i2pd()
    java = bed.ends(bed.java.routers[2])
    try:
        i2pd = bed.network.routers[2]
        said = {"i2pd's by us": cases.page_and_file(bed, bed.ramson.proxy, bed.network.routers[3].service_address("page")),
                "ours by i2pd": cases.page_and_file(bed, i2pd.proxy, bed.our_site),
                "ours by Java": our_page_and_file(bed, java),
                "Java's by us": javas_page_and_file(bed, bed.ramson.proxy, java)}
    finally:
        java.close()
    return "; ".join(f"{what}: {how}" for what, how in said.items())


def fetches_go_on(bed, minutes=12, every=20):
    """Tunnels and LeaseSets turn over. At least 99 % must be answered in each direction."""
    java = bed.ends(bed.java.routers[3])
    tried, answered, end = 0, {"ours by Java": 0, "Java's by us": 0}, time.monotonic() + minutes * 60
    try:
        while time.monotonic() < end:
            next_round = time.monotonic() + every
            tried += 1
            for what, visit in (("ours by Java", lambda: java.fetch(bed.our_site, "/")),
                                ("Java's by us", lambda: page_of_java(bed, java))):
                try:
                    visit()
                    answered[what] += 1
                except (OSError, RuntimeError, AssertionError) as error:
                    print(f"    {time.strftime('%H:%M:%S')} {what}: {error}")
            time.sleep(max(0, next_round - time.monotonic()))
    finally:
        java.close()
    assert min(answered.values()) >= 0.99 * tried, f"{answered} of {tried}"
    return f"{answered} of {tried} answered"


def page_of_java(bed, java):
    status, body = cases.fetch(bed.ramson.proxy, java.name, "/", timeout=60)
    assert status == 200 and b"a page from Java" in body, f"{status}: {body[:200]!r}"


STEADY = [
    ready_among_java_routers, sessions_both_ways, java_finds_our_lease_set_and_gets_page_and_file,
    we_find_javas_lease_set_and_get_page_and_file, a_stream_carries_both_ways_at_once, we_build_through_java_in_all_roles,
    java_builds_through_us_in_all_roles, i2pd_java_and_we_in_one_network,
]
LONG = [fetches_go_on]
