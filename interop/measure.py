"""What interop/speed measures, one thing per function: streams by SAM, pages through HTTP proxies, processor time."""
import contextlib
import http.client
import os
import random
import shutil
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cases
import sam
from site_server import PAGE

CHUNK = random.Random(1).randbytes(1 << 16)
TICKS = os.sysconf("SC_CLK_TCK")


def cpu_secs(pid):
    """Processor time of all threads so far: exact where the scheduler tells, else in hundredths of a second."""
    try:
        return sum(int((task / "schedstat").read_text().split()[0]) for task in Path(f"/proc/{pid}/task").iterdir()) / 1e9
    except OSError:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS


def together(functions):
    """The results of all, which run at once."""
    with ThreadPoolExecutor(len(functions)) as pool:
        return [future.result() for future in [pool.submit(function) for function in functions]]


def open_session(router, name, hops, **more):
    return sam.Session(router.sam, name, hops, 2, **more)


class Streams:
    """Streams from one session to another that send as fast as they can until closed."""

    def __init__(self, caller, listener, count):
        self.received, self.stopped, self.threads = [0] * count, threading.Event(), []
        # One acceptor at a time: i2pd gives up on one that has waited for 3 s behind others.
        acceptors, failures = [], []

        def accept():
            try:
                for _ in range(count):
                    acceptors.append(listener.start_accept())
                    ready.set()
                    acceptors[-1].line()
            except (OSError, sam.SamError) as error:
                failures.append(error)
                ready.set()

        ready, thread = threading.Event(), threading.Thread(target=accept, daemon=True)
        thread.start()
        ready.wait()
        streams = together([lambda: caller.connect(listener.destination)] * count)
        thread.join()
        self.open = list(zip(streams, acceptors, strict=True))
        if failures:
            self.close()
            raise failures[0]

    def start(self):
        for number, (stream, accepted) in enumerate(self.open):
            self.threads += [threading.Thread(target=self._send, args=(stream,), daemon=True),
                             threading.Thread(target=self._receive, args=(accepted, number), daemon=True)]
        for thread in self.threads:
            thread.start()

    def close(self):
        self.stopped.set()
        for lines in (lines for pair in self.open for lines in pair):
            with contextlib.suppress(OSError):
                lines.socket.shutdown(2)
            lines.close()
        for thread in self.threads:
            thread.join(10)

    def _send(self, stream):
        with contextlib.suppress(OSError):
            while not self.stopped.is_set():
                stream.socket.sendall(CHUNK)

    def _receive(self, accepted, number):
        with contextlib.suppress(OSError):
            while data := accepted.read(1 << 18):
                self.received[number] += len(data)


def stream_for(seconds, groups, pids):
    """Lets groups of streams send at once, each made by a function. Of each group the megabytes per second that arrived, and the
    megabytes; and of each process its processor seconds meanwhile."""
    streams = together(groups)
    try:
        before = [cpu_secs(pid) for pid in pids]
        began = time.monotonic()
        for group in streams:
            group.start()
        time.sleep(seconds)
        took = time.monotonic() - began
        megabytes = [sum(group.received) / 1e6 for group in streams]
        cpu = [cpu_secs(pid) - secs for pid, secs in zip(pids, before, strict=True)]
    finally:
        for group in streams:
            group.close()
    return [amount / took for amount in megabytes], megabytes, cpu


def page_secs(proxy, host, requests, most_secs):
    """Seconds of each of some requests, one after the other, after a first that finds the way."""
    cases.fetch_when_up(proxy, host, "/", timeout=60)
    times, end = [], time.monotonic() + most_secs
    while len(times) < requests and time.monotonic() < end:
        began = time.monotonic()
        status, body = cases.fetch(proxy, host, "/", timeout=30)
        if status != 200 or body != PAGE:
            raise RuntimeError(f"a page came with status {status}")
        times.append(time.monotonic() - began)
    return times


def secs_until_page(router, host, timeout=60):
    """Starts a router that has never run: seconds from then until a page comes through its proxy. Asks twice a second, each time
    beside those who still wait."""
    shutil.rmtree(router.dir, ignore_errors=True)
    began, came = time.monotonic(), []

    def ask():
        with contextlib.suppress(OSError, http.client.HTTPException):
            status, body = cases.fetch(router.proxy, host, "/", timeout=30)
            if status == 200 and body == PAGE:
                came.append(time.monotonic() - began)

    router.start()
    try:
        while not came and time.monotonic() - began < timeout:
            threading.Thread(target=ask, daemon=True).start()
            time.sleep(0.5)
    finally:
        router.stop()
    if not came:
        raise RuntimeError(f"no page through {router.name} within {timeout} s")
    return min(came)
