"""A ramson process under test."""
import json
import signal
import subprocess
import time
from pathlib import Path

from places import at


class Ramson:
    """One router, started from the built program."""

    def __init__(self, program, directory, network, address, tunnels=(), extra=(), port=12345, reseed=None, log="info"):
        self.program, self.dir, self.address, self.tunnels = str(program), Path(directory), address, list(tunnels)
        self.network, self.port, self.extra, self.log = network, port, list(extra), log
        self.reseed = reseed or network.bundle / "reseed.zip"
        self.sam, self.proxy = (address, 7656), (address, 4444)
        self.process = None
        self.started = None

    def config(self):
        lines = [
            f"net-id = {self.network.net_id}", f'host = ["{self.address}"]', f'bind = ["{self.address}"]',
            f"port = {self.port}", f'reseed = ["{self.reseed}"]', "danger-allow-reserved-peers = true",
            f'http-proxy = "{self.address}:4444"', f'sam = "{self.address}:7656"', *self.extra,
        ]
        for tunnel in self.tunnels:
            lines += ["", "[[tunnel]]", *(f"{key} = {json.dumps(value)}" for key, value in tunnel.items())]
        return "\n".join(lines) + "\n"

    def start(self):
        self.dir.mkdir(parents=True, exist_ok=True)
        config = self.dir / "ramson.toml"
        config.write_text(self.config())
        self.started = time.monotonic()
        with open(self.dir / "stdout.log", "ab") as log, at(self.address):
            self.process = subprocess.Popen(
                [self.program, "run", "--config", str(config), "--data-dir", str(self.dir / "data"), "--log", self.log],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def alive(self):
        return self.process is not None and self.process.poll() is None

    def status(self):
        """The JSON status, or nothing while the control socket isn't there."""
        done = subprocess.run([self.program, "status", "--json", "--data-dir", str(self.dir / "data")],
                              capture_output=True, text=True, timeout=20, check=False)
        return json.loads(done.stdout) if done.returncode == 0 else {}

    def wait_ready(self, timeout=60):
        """Seconds from the start until ready, with every destination up."""
        while True:
            took = time.monotonic() - self.started
            if not self.alive():
                raise RuntimeError(f"ramson ended with {self.process.poll()}: see {self.dir}/stdout.log")
            status = self.status()
            served = [d for d in status.get("destinations", []) if d["name"] in {t["name"] for t in self.tunnels}]
            if status.get("ready") and len(served) == len(self.tunnels) and all(d["published"] for d in served):
                return took
            if took > timeout:
                raise RuntimeError(f"not ready after {timeout} s: {json.dumps(status)}")
            time.sleep(0.2)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        if self.alive():
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(15)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
                raise RuntimeError("ramson did not stop on SIGTERM") from None
        return self.process.returncode if self.process else None
