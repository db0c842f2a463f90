"""What ramson must do in a network of i2pd routers. Each case is a function of the testbed; its name is the claim."""
import hashlib
import http.client
import json
import random
import threading
import time

import sam
from look import looks_like_i2pd
from places import at
from site_server import PAGE

# Drops of relayed messages that are limits; docs/limits.md states each. Whatever else counts up is a fault.
STATED_LIMITS = {"expired", "transit-share", "turn-limit", "transit-queue", "reassembly-limit", "endpoint-targets", "relay-limit"}
# Drops that concern no relayed message: what came for our own tunnels and builds, and connections refused.
NOT_RELAYED = {"own-tunnel-message", "build-request-queue", "build-request-rate", "build-request-unreadable",
               "build-request-time", "build-request-replay", "strangers-garlic-queue"}


def fetch(proxy, host, path, timeout=120):
    """One request through an HTTP proxy: status and body."""
    connection = http.client.HTTPConnection(*proxy, timeout=timeout)
    try:
        with at(proxy[0]):
            connection.connect()
        connection.request("GET", f"http://{host}{path}", headers={"Host": host})
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def fetch_when_up(proxy, host, path, timeout=90):
    """Like fetch, until the site answers: a proxy's own error page is no answer."""
    end = time.monotonic() + timeout
    while True:
        try:
            status, body = fetch(proxy, host, path)
        except (OSError, http.client.HTTPException) as error:
            # i2pd's proxy closes without an answer when its stream breaks.
            status, body = 0, str(error).encode()
        if status == 200:
            return body
        if time.monotonic() > end:
            raise AssertionError(f"{path} through {proxy} gave {status}: {body[:200]!r}")
        time.sleep(1)


def page_and_file(bed, proxy, host):
    body = fetch_when_up(proxy, host, "/")
    assert body == PAGE, body[:100]
    began = time.monotonic()
    body = fetch_when_up(proxy, host, "/big")
    assert hashlib.sha256(body).hexdigest() == bed.site.big_sha256, f"{len(body)} bytes of another file"
    return f"{len(body) / (time.monotonic() - began) / 1e6:.1f} MB/s"


def ready_within_60_s(bed):
    return f"{bed.ready_secs:.1f} s"


def i2pd_site_through_our_proxy_2_hops(bed):
    return page_and_file(bed, bed.two_hops.proxy, bed.i2pd_site(2))


def i2pd_site_through_our_proxy_3_hops(bed):
    return page_and_file(bed, bed.ramson.proxy, bed.i2pd_site(3))


def our_site_through_i2pd_proxy_2_hops(bed):
    return page_and_file(bed, bed.network.routers[5].proxy, bed.our_site("web2"))


def our_site_through_i2pd_proxy_3_hops(bed):
    return page_and_file(bed, bed.network.routers[6].proxy, bed.our_site("web3"))


def our_site_through_our_other_router(bed):
    return page_and_file(bed, bed.two_hops.proxy, bed.our_site("web2"))


def exchange(caller, listener, size=300_000):
    """A stream from caller to listener; both send, both check."""
    there, back = random.randbytes(size), random.randbytes(size)
    accepted = listener.start_accept()
    failures = []

    def answer():
        try:
            peer = accepted.line().split()[0]
            assert peer == caller.destination, "another peer was named"
            assert accepted.read_exactly(size) == there, "bytes changed on the way"
            accepted.socket.sendall(back)
        except (OSError, AssertionError, sam.SamError) as error:
            failures.append(error)

    thread = threading.Thread(target=answer)
    thread.start()
    caller.wait_for(listener.destination)
    stream = caller.connect(listener.destination)
    stream.socket.sendall(there)
    assert stream.read_exactly(size) == back, "bytes changed on the way back"
    thread.join(60)
    assert not failures and not thread.is_alive(), failures
    stream.close()
    accepted.close()


def sam_streams_both_ways(bed):
    """Both routers call, both accept; the caller writes first, then the listener."""
    for hops in (2, 3):
        ours = sam.Session(bed.ramson.sam, f"ours{hops}", hops)
        theirs = sam.Session(bed.network.routers[7].sam, f"theirs{hops}", hops)
        exchange(ours, theirs)
        exchange(theirs, ours)
        ours.close()
        theirs.close()


def sam_listener_speaks_first(bed):
    """The accepting side sends before it has read anything."""
    ours, theirs = sam.Session(bed.ramson.sam, "first-ours"), sam.Session(bed.network.routers[6].sam, "first-theirs")
    for caller, listener in ((ours, theirs), (theirs, ours)):
        accepted = listener.start_accept()
        caller.wait_for(listener.destination)
        stream = caller.connect(listener.destination)
        accepted.line()
        accepted.socket.sendall(b"welcome")
        assert stream.read_exactly(7) == b"welcome"
        stream.close()
        accepted.close()
    ours.close()
    theirs.close()


def a_router_that_reaches(one, two, others):
    """Two i2pd routers that dial each other at one moment may both drop both connections, and then each takes the
    other for unreachable for the rest of a test. So the neighbours of ours are i2pd routers that are shown to reach
    each other, in both directions, by tunnels of one hop."""
    for other in others:
        try:
            for router in (one, two):
                sam.Session(router.sam, f"reach-{other.name}", 1, 1, options=f"explicitPeers={other.hash}", timeout=40).close()
            return other
        except TimeoutError:
            print(f"    {router.name} and {other.name} don't reach each other")
    raise AssertionError(f"no router reaches {one.name} and {two.name}")


def relays_1000_messages_in_each_role(bed):
    """i2pd routers talk to each other through tunnels in which ramson stands at the far end (outbound endpoint and
    inbound gateway) and through others in which it stands next to them (participant)."""
    one, two = bed.network.routers[6:8]
    ours, other = bed.ramson.status()["router"]["hash"], a_router_that_reaches(one, two, bed.network.routers[:6]).hash
    roles = ("participant", "gateway", "endpoint")
    before, drops_before = bed.ramson.status()["transit"], bed.ramson.status()["drops"]
    for place, peers in (("far", f"{other},{ours}"), ("near", f"{ours},{other}")):
        options = f"explicitPeers={peers}"
        caller = sam.Session(one.sam, f"relay-{place}-a", 2, 2, options=options)
        listener = sam.Session(two.sam, f"relay-{place}-b", 2, 2, options=options)
        exchange(caller, listener, 3_000_000)
        caller.close()
        listener.close()
    after = bed.ramson.status()["transit"]
    relayed = {role: after[role] - before[role] for role in roles}
    assert all(count >= 1000 for count in relayed.values()), f"only {relayed}"
    drops = new_drops(drops_before, bed.ramson.status()["drops"])
    assert set(drops) <= STATED_LIMITS, f"dropped for {drops}"
    return f"{json.dumps(relayed)}, dropped {json.dumps(drops)}"


def new_drops(before, after):
    """Relayed messages dropped meanwhile, by reason."""
    counts = {reason: count - before.get(reason, 0) for reason, count in after.items() if reason not in NOT_RELAYED}
    return {reason: count for reason, count in counts.items() if count}


def kill_9_keeps_router_and_site(bed):
    before = bed.ramson.status()
    bed.ramson.kill()
    bed.ramson.start()
    took = bed.ramson.wait_ready()
    after = bed.ramson.status()
    assert before["router"]["hash"] == after["router"]["hash"], "another router hash"
    sites = [{d["name"]: d["b32"] for d in status["destinations"] if d["name"].startswith("web")} for status in (before, after)]
    assert sites[0] == sites[1], sites
    return f"ready again after {took:.1f} s, reached {reached_again(bed, bed.our_site('web2'))}"


def reached_again(bed, site):
    """Our other router, which knows the LeaseSet of before, must reach the site. Of three i2pd routers that have not
    been there one must: tunnels of theirs led through ours, and they need a while, now and then minutes, to notice."""
    proxies = {f"i2pd{index + 1}": bed.network.routers[index].proxy for index in (4, 6, 7)}
    proxies["ramson2"] = bed.two_hops.proxy
    began, after = time.monotonic(), {}

    def visit(name):
        try:
            page_and_file(bed, proxies[name], site)
            after[name] = time.monotonic() - began
        except AssertionError as error:
            print(f"    {name}: {error}")

    visits = [threading.Thread(target=visit, args=(name,)) for name in proxies]
    for thread in visits:
        thread.start()
    for thread in visits:
        thread.join()
    assert "ramson2" in after and len(after) >= 2, f"reached by {list(after)} only"
    return ", ".join(f"by {name} after {secs:.1f} s" for name, secs in sorted(after.items()))


def a_stop_is_clean(bed):
    code = bed.two_hops.stop()
    assert code == 0, f"exit code {code}"


STEADY = [
    ready_within_60_s, i2pd_site_through_our_proxy_2_hops, i2pd_site_through_our_proxy_3_hops,
    our_site_through_i2pd_proxy_2_hops, our_site_through_i2pd_proxy_3_hops, our_site_through_our_other_router,
    sam_streams_both_ways, sam_listener_speaks_first, relays_1000_messages_in_each_role, looks_like_i2pd,
]
# Last, since they end what the others use: i2pd holds on to the LeaseSet of before a restart until it ends.
STOPPING = [kill_9_keeps_router_and_site, a_stop_is_clean]


def fetches_go_on_for_12_minutes(bed, minutes=12, every=20):
    """Tunnels and LeaseSets turn over; a fetch in each direction every 20 s; at least 99 % must be answered."""
    tried = answered = 0
    end = time.monotonic() + minutes * 60
    while time.monotonic() < end:
        next_round = time.monotonic() + every
        for proxy, host in ((bed.ramson.proxy, bed.i2pd_site(3)), (bed.network.routers[5].proxy, bed.our_site("web2"))):
            tried += 1
            try:
                status, body = fetch(proxy, host, "/", timeout=60)
                answered += status == 200 and body == PAGE
                if status != 200:
                    print(f"    {time.strftime('%H:%M:%S')} {proxy[0]}: {status}")
            except (OSError, http.client.HTTPException) as error:
                print(f"    {time.strftime('%H:%M:%S')} {proxy[0]}: {error}")
        time.sleep(max(0, next_round - time.monotonic()))
    assert answered >= 0.99 * tried, f"{answered} of {tried} answered"
    return f"{answered} of {tried} answered"


LONG = [fetches_go_on_for_12_minutes]
