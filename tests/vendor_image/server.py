"""A vendor's server, over TLS and as bad as a test wants it: it serves a folder, and where a file FILE.fault stands
beside a file, it does to that file what is said there.

usage: server.py FOLDER CERTIFICATE-AND-KEY; prints the port. What was asked for is in FOLDER/requests."""

import email.utils
import http.server
import os
import ssl
import sys
import time

folder, certificate = sys.argv[1:]


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def fault(self, path):
        try:
            with open(path + ".fault") as file:
                return file.read().split()
        except FileNotFoundError:
            return ["none"]

    def do_GET(self):
        with open(os.path.join(folder, "requests"), "a") as log:
            log.write(f"{self.path} {self.headers.get('Range', '-')}\n")
        path = os.path.normpath(os.path.join(folder, self.path.lstrip("/")))
        if not path.startswith(folder) or not os.path.isfile(path):
            return self.send_error(404)
        fault, *words = self.fault(path)
        if fault == "redirect":
            self.send_response(302)
            self.send_header("Location", words[0])
            self.send_header("Content-Length", "0")
            return self.end_headers()
        with open(path, "rb") as file:
            body = file.read()
        modified = email.utils.formatdate(os.stat(path).st_mtime, usegmt=True)
        start = 0
        wanted = self.headers.get("Range")
        if wanted and self.headers.get("If-Range", modified) == modified:
            start = int(wanted.removeprefix("bytes=").split("-")[0])
            if start >= len(body):
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{len(body)}")
                self.send_header("Content-Length", "0")
                return self.end_headers()
        self.send_response(206 if start else 200)
        self.send_header("Last-Modified", modified)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
        if fault == "endless":
            self.send_header("Transfer-Encoding", "chunked")
        else:
            self.send_header("Content-Length", str(len(body) - start))
        self.end_headers()
        # What was not cut off must end well: apt drops the last bytes before a connection that closes in its own way.
        self.close_connection = fault not in ("none", "cut") or (fault == "cut" and not start)
        if fault == "cut" and not start:
            # Who comes again for the rest gets it.
            self.wfile.write(body[: int(words[0])])
        elif fault == "stall":
            self.wfile.write(body[: int(words[0])])
            self.wfile.flush()
            time.sleep(60)
        elif fault == "slow":
            for at in range(start, len(body)):
                self.wfile.write(body[at : at + 1])
                self.wfile.flush()
                time.sleep(0.1)
        elif fault == "endless":
            while True:
                self.wfile.write(b"10000\r\n" + bytes(0x10000) + b"\r\n")
        else:
            self.wfile.write(body[start:])


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_):
        """A client that goes is what some tests want."""


server = Server(("127.0.0.1", 0), Handler)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(certificate)
server.socket = context.wrap_socket(server.socket, server_side=True)
print(server.server_port, flush=True)
server.serve_forever()
