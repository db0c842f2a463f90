"""Java I2P routers and Java programs that use its streaming library, in places of their own (places.py). What runs comes from Maven
(java/pom.xml) and from java/*.java, which is compiled here."""
import contextlib
import re
import shutil
import signal
import subprocess
import threading
import time
from pathlib import Path

from i2pd import b64, identity_hash
from places import Unavailable, at

SOURCES = Path(__file__).resolve().parent / "java"
# Java takes routers with one port number for one operator's: it asks only one floodfill of them.
FIRST_PORT, I2CP = 12350, 7654


def class_path(directory):
    """Fetches the router's archives and compiles our programs, below a folder, unless they are there."""
    for program, what in (("java", "a Java runtime"), ("javac", "a Java compiler"), ("mvn", "Maven")):
        if shutil.which(program) is None:
            raise Unavailable(f"{program} is missing: {what}, 17 or newer for Java (Debian: default-jdk-headless, maven)")
    archives, classes = directory / "lib", directory / "classes"
    if len(list(archives.glob("*.jar"))) < 4:
        run("Maven doesn't serve the Java router", "mvn", "-q", "-B", "-f", SOURCES / "pom.xml", "dependency:copy-dependencies",
            f"-DoutputDirectory={archives}")
    path = f"{classes}:{archives}/*"
    shutil.rmtree(classes, ignore_errors=True)
    run("our Java programs can't be compiled", "javac", "--release", "17", "-cp", path, "-d", classes, *SOURCES.glob("*.java"))
    return path


def run(problem, *command):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    if done.returncode:
        raise Unavailable(f"{problem}: {(done.stdout + done.stderr)[-500:]}")


class JavaRouter:
    """One router in a process of its own."""

    def __init__(self, directory, path, number, address, net_id, floodfill):
        self.name, self.path, self.address, self.port = f"java{number}", path, address, FIRST_PORT + number
        self.dir = directory / self.name
        self.net_id, self.floodfill, self.process = net_id, floodfill, None

    def write_config(self):
        self.dir.mkdir(parents=True, exist_ok=True)
        options = {
            "router.networkID": self.net_id, "i2np.allowLocal": "true", "i2np.upnp.enable": "false",
            "i2np.ntcp.enable": "true", "i2np.ntcp.hostname": self.address, "i2np.ntcp.autoip": "false", "i2np.ntcp.autoport": "false",
            "i2np.ntcp.port": self.port, "i2np.udp.host": self.address, "i2np.udp.port": self.port, "i2np.udp.internalPort": self.port,
            "router.reseedDisable": "true", "router.rejectStartupTime": 0, "time.disabled": "true", "router.blocklist.enable": "false",
            "router.floodfillParticipant": str(self.floodfill).lower(), "i2cp.hostname": "127.0.0.1", "i2cp.port": I2CP,
            "i2np.bandwidth.inboundKBytesPerSecond": 4000, "i2np.bandwidth.outboundKBytesPerSecond": 4000,
            "i2np.bandwidth.inboundBurstKBytesPerSecond": 4000, "i2np.bandwidth.outboundBurstKBytesPerSecond": 4000,
            "router.sharePercentage": 90,
        }
        (self.dir / "router.config").write_text("".join(f"{key}={value}\n" for key, value in options.items()))
        (self.dir / "clients.config").write_text("")
        (self.dir / "logger.config").write_text("logger.defaultLevel=WARN\nlogger.record.net.i2p=WARN\nlogger.record.net.i2p.router.transport=WARN\n")

    def start(self):
        # It keeps its transport keys there: what others know of it holds as long as the file.
        if not (self.dir / "router.config").exists():
            self.write_config()
        self.state_file.unlink(missing_ok=True)
        folders = [f"-Di2p.dir.{kind}={self.dir}" for kind in ("base", "config", "router", "log", "pid", "app")]
        with open(self.dir / "stdout.log", "ab") as log, at(self.address):
            self.process = subprocess.Popen(
                ["java", "-Xmx320m", "-XX:+UseSerialGC", "-Djava.net.preferIPv4Stack=true", *folders, "-cp", self.path, "Peer", str(self.state_file)],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.dir)

    @property
    def state_file(self):
        return self.dir / "state"

    @property
    def router_info(self):
        return self.dir / "router.info"

    @property
    def hash(self):
        return b64(identity_hash(self.router_info.read_bytes()))

    def state(self):
        """(running, hashes of connected routers, hops as (from, to, messages))."""
        try:
            lines = [line.split() for line in self.state_file.read_text().splitlines()]
        except OSError:
            return False, set(), []
        peers = {words[1] for words in lines if words[0] == "peer"}
        hops = [(words[1], words[2], int(words[3])) for words in lines if words[0] == "hop"]
        return ["running"] in lines, peers, hops

    def learn(self, router_infos):
        """Before the start."""
        for raw in router_infos:
            name = b64(identity_hash(raw))
            folder = self.dir / "netDb" / f"r{name[0]}"
            folder.mkdir(parents=True, exist_ok=True)
            (folder / f"routerInfo-{name}.dat").write_bytes(raw)

    def alive(self):
        return self.process is not None and self.process.poll() is None

    def stop(self):
        if self.alive():
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def log(self):
        """What it warned of."""
        files = sorted((self.dir / "logs").glob("log-*.txt"), key=lambda file: file.stat().st_mtime)
        return "\n".join(file.read_text(errors="replace") for file in files)


class JavaNetwork:
    """Routers that know each other."""

    def __init__(self, directory, path, places, first_index, routers=4, floodfills=2, net_id=80):
        self.net_id, self.bundle = net_id, directory / "bundle"
        self.routers = [JavaRouter(directory, path, number, places.address(first_index + number), net_id, number <= floodfills)
                        for number in range(1, routers + 1)]

    def start(self, timeout=400, more=()):
        """Until all run and take part in tunnels, which they don't in their first 90 s. They know each other, and more routers."""
        began = time.monotonic()
        for router in self.routers:
            shutil.rmtree(router.dir, ignore_errors=True)
            router.start()
        for router in self.routers:
            # The first that it writes has no addresses.
            self._wait(began + 90, lambda router=router: router.router_info.exists() and b"NTCP2" in router.router_info.read_bytes(), router.name)
        for router in self.routers:
            router.process.send_signal(signal.SIGTERM)
        for router in self.routers:
            router.stop()
        infos = [router.router_info.read_bytes() for router in self.routers]
        self.bundle.mkdir(parents=True, exist_ok=True)
        for raw in infos:
            (self.bundle / f"routerInfo-{b64(identity_hash(raw))}.dat").write_bytes(raw)
        for router in self.routers:
            router.learn([*infos, *more])
            router.start()
        started = time.monotonic()
        for router in self.routers:
            self._wait(began + timeout, lambda router=router: router.state()[0], router.name)
        time.sleep(max(0, started + 110 - time.monotonic()))
        return time.monotonic() - began

    def _wait(self, end, done, name):
        while not done():
            dead = [router.name for router in self.routers if not router.alive()]
            if dead or time.monotonic() > end:
                raise RuntimeError(f"the Java routers did not come up: dead {dead}, waiting for {name}")
            time.sleep(0.3)

    def stop(self):
        for router in self.routers:
            if router.alive():
                router.process.send_signal(signal.SIGTERM)
        for router in self.routers:
            router.stop()


class Ends:
    """A Java program at a router, with a site of its own: see java/Ends.java."""

    def __init__(self, router, big, timeout=120, **options):
        self.router = router
        common = {"i2cp.leaseSetEncType": "4", "i2cp.destination.sigType": "EdDSA_SHA512_Ed25519", "inbound.nickname": "ends",
                  "inbound.length": 2, "outbound.length": 2, "inbound.quantity": 2, "outbound.quantity": 2}
        words = [f"{key}={value}" for key, value in {**common, **options}.items()]
        with open(router.dir / "ends.log", "ab") as log, at(router.address):
            self.process = subprocess.Popen(
                ["java", "-Xmx128m", "-XX:+UseSerialGC", f"-Di2p.dir.base={router.dir}/ends", "-cp", router.path, "Ends", str(I2CP), str(big), *words],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True, bufsize=1)
        self.name = self._line(timeout)
        if not re.fullmatch(r"[a-z2-7]{52}\.b32\.i2p", self.name):
            self.close()
            raise RuntimeError(f"the Java program at {router.name} said {self.name!r}")

    def fetch(self, name, path):
        """(bytes, SHA-256, milliseconds) of a page."""
        return self._ask(f"fetch {name} {path}")

    def echo(self, name, size):
        return self._ask(f"echo {name} {size}")

    def _ask(self, command):
        self.process.stdin.write(command + "\n")
        word, _, rest = self._line(180).partition(" ")
        if word != "ok":
            raise RuntimeError(f"{command}: {rest}")
        size, digest, millis = rest.split()
        return int(size), digest, int(millis)

    def _line(self, timeout):
        """A program that hangs is ended, and then its output is."""
        timer = threading.Timer(timeout, self.process.kill)
        timer.start()
        try:
            return self.process.stdout.readline().strip()
        finally:
            timer.cancel()

    def close(self):
        with contextlib.suppress(OSError):
            self.process.stdin.close()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()
