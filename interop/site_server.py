"""A web site on loopback with a page and a large file whose hash is known."""
import hashlib
import http.server
import random
import threading

from places import at

PAGE = b"<!doctype html><title>private site</title><p>a page through the whole path\n"


class Site:
    def __init__(self, address="127.0.0.1", big_bytes=10_000_000, seed=1):
        self.big = big = random.Random(seed).randbytes(big_bytes)
        self.big_sha256 = hashlib.sha256(big).hexdigest()
        self.requests = []
        site = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                site.requests.append((self.path, dict(self.headers)))
                body = {"/": PAGE, "/big": big}.get(self.path)
                self.send_response(200 if body else 404)
                self.send_header("Content-Length", str(len(body or b"")))
                self.send_header("Content-Type", "text/html" if self.path == "/" else "application/octet-stream")
                self.end_headers()
                self.wfile.write(body or b"")

            def log_message(self, *_):
                pass

        with at(address):
            self.server = http.server.ThreadingHTTPServer((address, 0), Handler)
        self.server.daemon_threads = True
        self.address = self.server.server_address
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()
