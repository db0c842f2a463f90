"""A private network of real i2pd routers on loopback, or in other places (places.py).

On loopback router i has the address 127.(BASE+i).0.1. Each is in a /16 of its own and has the usual ports there. Nothing
leaves the machine: reseed servers, time servers, address book and UPnP are off.
"""
import base64
import hashlib
import re
import shutil
import signal
import subprocess
import time
import urllib.request
import zipfile
from pathlib import Path

from places import Loopback, at

TRANSPORT, SAM, HTTP_PROXY, CONSOLE = 12345, 7656, 4444, 7070
TO_I2P = str.maketrans("+/", "-~")
TO_PLAIN = str.maketrans("-~", "+/")


def b64(data):
    return base64.b64encode(data).decode().translate(TO_I2P)


def from_b64(text):
    return base64.b64decode(text.translate(TO_PLAIN))


def identity_hash(raw):
    """SHA-256 of the RouterIdentity or Destination at the start of raw."""
    return hashlib.sha256(raw[: 387 + int.from_bytes(raw[385:387], "big")]).digest()


def b32_address(raw):
    return base64.b32encode(identity_hash(raw)).decode().lower().rstrip("=") + ".b32.i2p"


class Router:
    """One i2pd process."""

    def __init__(self, network, index):
        self.network, self.index, self.name = network, index, f"i2pd{index}"
        self.address = network.places.address(index)
        self.dir = network.dir / self.name
        self.floodfill = index <= network.floodfills
        self.process = None
        self.tunnels = []
        # More of its options, or others.
        self.more = {}

    @property
    def router_info(self):
        return self.dir / "router.info"

    @property
    def hash(self):
        return b64(identity_hash(self.router_info.read_bytes()))

    @property
    def sam(self):
        return self.address, SAM

    @property
    def proxy(self):
        return self.address, HTTP_PROXY

    def write_config(self):
        self.dir.mkdir(parents=True, exist_ok=True)
        (self.dir / "certificates").mkdir(exist_ok=True)
        length = self.network.length
        options = {
            "netid": self.network.net_id, "reservedrange": "false", "nat": "false",
            "host": self.address, "address4": self.address, "ipv4": "true", "ipv6": "false", "port": TRANSPORT,
            "ntcp2.enabled": "true", "ntcp2.published": "true", "ntcp2.port": TRANSPORT, "ssu2.enabled": "false",
            "floodfill": str(self.floodfill).lower(), "bandwidth": "X", "share": 100,
            "reseed.zipfile": self.network.bundle / "reseed.zip", "reseed.urls": "",
            "nettime.enabled": "false", "addressbook.enabled": "false", "addressbook.defaulturl": "",
            "addressbook.subscriptions": "", "upnp.enabled": "false", "persist.profiles": "false",
            "sam.enabled": "true", "sam.address": self.address, "sam.port": SAM, "i2cp.enabled": "false",
            "socksproxy.enabled": "false", "httpproxy.enabled": "true", "httpproxy.address": self.address,
            "httpproxy.port": HTTP_PROXY, "http.enabled": "true", "http.address": self.address,
            "http.port": CONSOLE, "http.strictheaders": "false",
            "httpproxy.inbound.length": length, "httpproxy.outbound.length": length,
            "httpproxy.inbound.quantity": 2, "httpproxy.outbound.quantity": 2,
            "loglevel": self.network.loglevel, "log": "file", "logfile": self.dir / "i2pd.log",
            "tunconf": self.dir / "tunnels.conf", "tunnelsdir": self.dir / "tunnels.d", "certsdir": self.dir / "certificates",
            **self.more,
        }
        (self.dir / "i2pd.conf").write_text("".join(f"{key} = {value}\n" for key, value in options.items()))
        (self.dir / "tunnels.conf").write_text("".join(
            f"[{name}]\ntype = {kind}\nhost = {host}\nport = {port}\nkeys = {name}.dat\n"
            f"inbound.length = {hops}\noutbound.length = {hops}\ninbound.quantity = 3\noutbound.quantity = 3\n"
            for name, kind, host, port, hops in self.tunnels))

    def start(self):
        self.write_config()
        with open(self.dir / "stdout.log", "ab") as log, at(self.address):
            self.process = subprocess.Popen(
                [self.network.i2pd, f"--conf={self.dir}/i2pd.conf", f"--datadir={self.dir}"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def alive(self):
        return self.process is not None and self.process.poll() is None

    def stop(self):
        if self.process is None:
            return
        if self.alive():
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
        self.process.wait()
        self.process = None

    def console(self):
        """Figures of the web console, or nothing while it doesn't answer."""
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with at(self.address), opener.open(f"http://{self.address}:{CONSOLE}/", timeout=2) as answer:
                page = answer.read().decode("utf-8", "replace")
        except OSError:
            return {}
        labels = {"routers": "Routers", "client": "Client Tunnels", "transit": "Transit Tunnels"}
        found = {key: re.search(rf"{label}:</b> (\d+)", page) for key, label in labels.items()}
        return {key: int(match[1]) for key, match in found.items() if match}

    def healthy(self):
        figures = self.console()
        return figures.get("routers", 0) >= len(self.network.routers) and figures.get("client", 0) >= 8

    def service_address(self, name):
        return b32_address((self.dir / f"{name}.dat").read_bytes())


class Network:
    """Several routers that know each other."""

    def __init__(self, directory, i2pd, routers=8, floodfills=5, base=10, net_id=77, length=2, loglevel="warn", places=None):
        self.dir, self.i2pd = Path(directory), str(i2pd)
        self.net_id, self.length, self.floodfills, self.loglevel = net_id, length, floodfills, loglevel
        self.places = places or Loopback(base)
        self.bundle = self.dir / "bundle"
        # RouterInfos of routers that are no i2pd and already there.
        self.others = []
        self.routers = [Router(self, index) for index in range(1, routers + 1)]
        self.version = self.version_of(self.i2pd)

    @staticmethod
    def version_of(program):
        version = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout.split("\n")[0]
        if tuple(int(part) for part in re.search(r"(\d+)\.(\d+)", version).groups()) < (2, 59):
            raise SystemExit(f"i2pd 2.59 or newer is needed, this is {version}")
        return version

    def free_address(self, offset=1):
        """An address in a /16 that no router of the network has."""
        return self.places.address(len(self.routers) + offset)

    def serve(self, router, name, kind, host, port, hops):
        """Adds a server tunnel before the start."""
        self.routers[router].tunnels.append((name, kind, host, port, hops))

    def start(self, timeout=120):
        self.dir.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(self.bundle, ignore_errors=True)
        self.bundle.mkdir()
        self._make_router_infos()
        with zipfile.ZipFile(self.bundle / "reseed.zip", "w", zipfile.ZIP_DEFLATED) as archive:
            for raw in [router.router_info.read_bytes() for router in self.routers] + self.others:
                name = f"routerInfo-{b64(identity_hash(raw))}.dat"
                (self.bundle / name).write_bytes(raw)
                archive.writestr(name, raw)
        began = time.monotonic()
        for router in self.routers:
            router.start()
        waiting = list(self.routers)
        while waiting:
            dead = [router.name for router in self.routers if not router.alive()]
            if dead or time.monotonic() - began > timeout:
                raise RuntimeError(f"the i2pd network did not come up: dead {dead}, waiting for {[r.name for r in waiting]}")
            waiting = [router for router in waiting if not router.healthy()]
            time.sleep(0.25)
        return time.monotonic() - began

    def _make_router_infos(self):
        """A short first run of each router, alone, to have all RouterInfos before any is needed."""
        for router in self.routers:
            router.router_info.unlink(missing_ok=True)
            router.start()
        end = time.monotonic() + 60
        while not all(router.router_info.exists() and router.router_info.stat().st_size for router in self.routers):
            if time.monotonic() > end:
                raise RuntimeError("i2pd wrote no router.info")
            time.sleep(0.1)
        time.sleep(0.5)
        for router in self.routers:
            router.stop()
            shutil.rmtree(router.dir / "netDb", ignore_errors=True)

    def dead(self, patience=0):
        """Routers whose process ended. A connection breaks some time before the process that crashed is gone."""
        end = time.monotonic() + patience
        while not (dead := [router for router in self.routers if router.process and not router.alive()]) and time.monotonic() < end:
            time.sleep(0.1)
        return dead

    def stop(self):
        for router in self.routers:
            if router.alive():
                router.process.send_signal(signal.SIGTERM)
        for router in self.routers:
            router.stop()
