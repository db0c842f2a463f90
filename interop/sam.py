"""A small SAM 3 client: blocking sockets, streams only."""
import base64
import hashlib
import time

import places


class SamError(Exception):
    pass


class Lines:
    """A socket read by lines, and then as it is."""

    def __init__(self, address, timeout):
        self.socket = places.connect(address, timeout)
        self.buffer = b""

    def line(self):
        while b"\n" not in self.buffer:
            more = self.socket.recv(65536)
            if not more:
                raise SamError(f"closed after {self.buffer!r}")
            self.buffer += more
        line, _, self.buffer = self.buffer.partition(b"\n")
        return line.decode()

    def ask(self, command):
        self.socket.sendall(command.encode() + b"\n")
        return self.line()

    def read(self, limit=65536):
        if self.buffer:
            data, self.buffer = self.buffer[:limit], self.buffer[limit:]
            return data
        return self.socket.recv(limit)

    def read_exactly(self, size):
        parts, left = [], size
        while left:
            data = self.read(min(left, 1 << 16))
            if not data:
                raise SamError(f"{left} bytes missing")
            parts.append(data)
            left -= len(data)
        return b"".join(parts)

    def close(self):
        self.socket.close()


def expect(line, *words):
    if not all(word in line.split() for word in words):
        raise SamError(f"wanted {words}, got {line[:300]}")
    return line


def value(line, key):
    return next(word.split("=", 1)[1] for word in line.split() if word.startswith(key + "="))


def hello(address, timeout=90, text="HELLO VERSION MIN=3.0 MAX=3.3"):
    lines = Lines(address, timeout)
    expect(lines.ask(text), "RESULT=OK")
    return lines


class Session:
    """A stream session. It lives as long as its control socket."""

    def __init__(self, address, name, hops=2, quantity=2, keys="TRANSIENT", options="", timeout=120):
        self.address, self.name = address, name
        self.control = hello(address, timeout)
        answer = self.control.ask(
            f"SESSION CREATE STYLE=STREAM ID={name} DESTINATION={keys} SIGNATURE_TYPE=7 i2cp.leaseSetEncType=4 "
            f"inbound.length={hops} outbound.length={hops} inbound.quantity={quantity} outbound.quantity={quantity} {options}")
        self.keys = value(expect(answer, "RESULT=OK"), "DESTINATION")
        self.destination = value(expect(self.control.ask("NAMING LOOKUP NAME=ME"), "RESULT=OK"), "VALUE")

    def connect(self, destination):
        lines = hello(self.address)
        expect(lines.ask(f"STREAM CONNECT ID={self.name} DESTINATION={destination} SILENT=false"), "RESULT=OK")
        return lines

    def wait_for(self, destination, timeout=60):
        """Waits until the other destination's LeaseSet is found: i2pd calls a session ready before it is published."""
        raw = base64.b64decode(destination.replace("-", "+").replace("~", "/"))
        name = base64.b32encode(hashlib.sha256(raw).digest()).decode().lower().rstrip("=") + ".b32.i2p"
        end = time.monotonic() + timeout
        while "RESULT=OK" not in (line := self.control.ask(f"NAMING LOOKUP NAME={name}")).split():
            if time.monotonic() > end:
                raise SamError(f"never found: {line[:200]}")
            time.sleep(0.5)

    def accept(self):
        """Waits for a peer; returns the stream and who it is."""
        lines = hello(self.address, timeout=180)
        expect(lines.ask(f"STREAM ACCEPT ID={self.name} SILENT=false"), "RESULT=OK")
        return lines, lines.line()

    def start_accept(self):
        lines = hello(self.address, timeout=180)
        expect(lines.ask(f"STREAM ACCEPT ID={self.name} SILENT=false"), "RESULT=OK")
        return lines

    def close(self):
        self.control.close()
