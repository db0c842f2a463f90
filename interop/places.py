"""Where a router stands: on a loopback address, or in a network namespace of its own with one address, joined to the
others by a switch whose lines delay and lose packets (link/). A connection or process of ours is made inside a
namespace by `with at(address):`; what has been made stays there.

Everything is torn down when this process ends: the namespaces have no names. Linux only, without other programs: by
system calls, as root or where users may make namespaces.
"""
import contextlib
import ctypes
import fcntl
import os
import shutil
import socket
import statistics
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path

CLONE_NEWNET, CLONE_NEWUSER = 0x40000000, 0x10000000
TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 0x0001, 0x1000
SIOCGIFFLAGS, SIOCSIFFLAGS, SIOCSIFADDR, SIOCSIFNETMASK, SIOCSIFTXQLEN = 0x8913, 0x8914, 0x8916, 0x891C, 0x8943
IFF_UP = 1
DEVICE = "link0"

LIBC = ctypes.CDLL(None, use_errno=True)
# Address of a router to the namespace in which it is.
NAMESPACES = {}


class Unavailable(Exception):
    """This machine can't do it; the text says what is missing."""


def system_call(function, *arguments):
    if function(*arguments):
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))


def isolate():
    """Puts this process, while it has one thread, into a network namespace of its own that has only loopback: its
    addresses are then those of no other run. An ordinary user becomes root in a namespace of users first."""
    if threading.active_count() > 1:
        raise RuntimeError("only a process with one thread can be isolated")
    user, group = os.getuid(), os.getgid()
    try:
        system_call(LIBC.unshare, CLONE_NEWNET | (0 if user == 0 else CLONE_NEWUSER))
    except OSError as error:
        raise Unavailable(f"network namespaces need root, or users that may make them ({error.strerror})") from error
    if user != 0:
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"0 {user} 1")
        Path("/proc/self/gid_map").write_text(f"0 {group} 1")
    bring_up("lo")


def interface(name, *values):
    return struct.pack("16s" + "".join(form for form, _ in values), name.encode(), *(value for _, value in values)).ljust(40, b"\0")


def bring_up(name, address=None, netmask="255.0.0.0"):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        if address is not None:
            for request, number in ((SIOCSIFADDR, address), (SIOCSIFNETMASK, netmask)):
                number = struct.pack("HH4s", socket.AF_INET, 0, socket.inet_aton(number))
                fcntl.ioctl(asking, request, interface(name, ("8s", number)))
            # Packets that the switch has not read yet wait here, and what doesn't fit is lost. Only root may have more than usual.
            with contextlib.suppress(PermissionError):
                fcntl.ioctl(asking, SIOCSIFTXQLEN, interface(name, ("i", 10_000)))
        flags = struct.unpack_from("H", fcntl.ioctl(asking, SIOCGIFFLAGS, interface(name)), 16)[0]
        fcntl.ioctl(asking, SIOCSIFFLAGS, interface(name, ("H", flags | IFF_UP)))


def namespace_now():
    return os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)


@contextlib.contextmanager
def inside(namespace):
    """This thread is in another namespace meanwhile."""
    home = namespace_now()
    try:
        system_call(LIBC.setns, namespace, CLONE_NEWNET)
        try:
            yield
        finally:
            system_call(LIBC.setns, home, CLONE_NEWNET)
    finally:
        os.close(home)


def at(address):
    """For sockets and processes of the router with that address."""
    namespace = NAMESPACES.get(address)
    return contextlib.nullcontext() if namespace is None else inside(namespace)


def connect(address, timeout):
    with at(address[0]):
        return socket.create_connection(address, timeout=timeout)


class Loopback:
    """Every router on an address of its own, in a /16 of its own."""

    def __init__(self, base):
        self.base = base

    def address(self, index):
        return f"127.{self.base + index}.0.1"

    def stop(self):
        pass


class Links:
    """Every router in a namespace of its own, in a /16 of its own. Needs isolate() before."""

    def __init__(self, program):
        ours, switch = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with switch:
            self.process = subprocess.Popen([str(program)], stdin=switch)
        self.control = ours
        self.addresses = {}

    def address(self, index):
        if index not in self.addresses:
            self.addresses[index] = self._new_place(f"10.{index}.0.1")
        return self.addresses[index]

    def set(self, delay_ms=0, jitter_ms=0, loss_percent=0, kilobytes_per_sec=0, seed=1):
        """For every line, that is for each direction between any two routers."""
        self._command(f"lines seed={seed} delay-us={round(delay_ms * 1000)} jitter-us={round(jitter_ms * 1000)} "
                      f"loss-ppm={round(loss_percent * 10_000)} rate={round(kilobytes_per_sec * 1000)}")

    def counts(self):
        return {key: int(count) for key, count in (word.split("=") for word in self._command("counts").split())}

    def stop(self):
        self.control.close()
        self.process.wait()
        for address in self.addresses.values():
            os.close(NAMESPACES.pop(address))
        self.addresses = {}

    def _new_place(self, address):
        home = namespace_now()
        system_call(LIBC.unshare, CLONE_NEWNET)
        try:
            NAMESPACES[address] = namespace_now()
            device = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
            fcntl.ioctl(device, TUNSETIFF, interface(DEVICE, ("H", IFF_TUN | IFF_NO_PI)))
            bring_up("lo")
            bring_up(DEVICE, address)
            # Loss weighs very differently with others, such as BBR. At 1 % Linux' usual CUBIC is about as fast as Reno,
            # which every kernel has and lets namespaces choose.
            Path("/proc/sys/net/ipv4/tcp_congestion_control").write_text("reno")
        finally:
            system_call(LIBC.setns, home, CLONE_NEWNET)
            os.close(home)
        self._command(f"port {address}", device)
        os.close(device)
        return address

    def _command(self, text, *devices):
        socket.send_fds(self.control, [text.encode()], devices)
        answer = self.control.recv(4096).decode()
        if not answer or answer.startswith("error"):
            raise RuntimeError(f"the switch said to {text!r}: {answer!r}")
        return answer

    def probe(self, one, two, packets=1000, every=0.001):
        """What the kernel sees of the lines between two places: median there and back in ms, and the share lost of it."""
        address = (self.address(two), 9)
        with at(address[0]):
            far = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            far.bind(address)
        with at(self.address(one)):
            near = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            near.connect(address)

        def echo():
            with far:
                while (question := far.recvfrom(64))[0]:
                    far.sendto(*question)

        threading.Thread(target=echo, daemon=True).start()
        near.settimeout(1)
        times = []

        def read():
            with contextlib.suppress(OSError):
                while len(times) < packets:
                    sent = struct.unpack("d", near.recv(64))[0]
                    times.append(time.monotonic() - sent)

        reader = threading.Thread(target=read)
        reader.start()
        for _ in range(packets):
            near.send(struct.pack("d", time.monotonic()))
            time.sleep(every)
        reader.join()
        near.close()
        far.sendto(b"", far.getsockname())
        return statistics.median(times) * 1000, 100 * (1 - len(times) / packets)


def link_program(root):
    """The switch, built when it is not there or its source is newer."""
    source, target = root / "interop" / "link", root / ".testbed" / "link"
    program = target / "release" / "ramson-link"
    newest = max(path.stat().st_mtime for path in (source / "Cargo.toml", source / "Cargo.lock", *source.glob("src/*.rs")))
    if not program.exists() or program.stat().st_mtime < newest:
        cargo = os.environ.get("CARGO") or shutil.which("cargo")
        if cargo is None:
            raise Unavailable("cargo is missing, which builds the switch of interop/link")
        done = subprocess.run([cargo, "build", "--release", "--locked", "--quiet", "--manifest-path", str(source / "Cargo.toml"),
                               "--target-dir", str(target)], check=False, stdout=sys.stderr)
        if done.returncode:
            raise Unavailable("the switch of interop/link can't be built")
        os.utime(program)
    return program


def check_links(program):
    """Raises Unavailable where there can be no links. Isolates this process on the way."""
    if not os.access("/dev/net/tun", os.R_OK | os.W_OK):
        raise Unavailable("/dev/net/tun is missing, or not for this user")
    links = Links(program)
    try:
        links.address(1)
    except OSError as error:
        raise Unavailable(f"no TUN device or namespace can be made ({error.strerror})") from error
    finally:
        links.stop()
