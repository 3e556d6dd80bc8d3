"""A TLS proxy before a registry that does to it what goes wrong in the world: proxy.py CERTIFICATE REGISTRY FOLDER.

FOLDER/faults has a line for each fault: a word, how often, and a part of the paths that it is for. FOLDER/requests gets the
path of each request. The first line of output is the port."""

import http.client
import http.server
import pathlib
import ssl
import sys
import threading
import time

certificate, registry, folder = sys.argv[1], sys.argv[2], pathlib.Path(sys.argv[3])
lock = threading.Lock()


def fault(path):
    """The fault that this request meets, and one less of it."""
    with lock:
        with open(folder / "requests", "a") as log:
            log.write(path + "\n")
        lines = [line.split() for line in (folder / "faults").read_text().splitlines() if line]
        found = next((line for line in lines if line[2] in path and int(line[1]) > 0), None)
        if not found:
            return None
        found[1] = str(int(found[1]) - 1)
        (folder / "faults").write_text("".join(" ".join(line) + "\n" for line in lines))
        return found[0]


class Proxy(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_GET(self):
        met = fault(self.path)
        if met and met.isdigit():
            return self.refuse(int(met))
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        upstream = http.client.HTTPConnection(registry)
        upstream.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
        # One name may stand there several times, as Accept does.
        for name, value in self.headers.items():
            upstream.putheader(name, value)
        upstream.endheaders(body)
        answer = upstream.getresponse()
        data = answer.read()
        if met == "flip" and data:
            data = bytes([data[0] ^ 1]) + data[1:]
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in ("content-length", "transfer-encoding", "connection", "date", "server"):
                self.send_header(name, value)
        length = answer.getheader("Content-Length", len(data)) if self.command == "HEAD" else len(data)
        if met == "endless":
            length = 1 << 40
        self.send_header("Content-Length", str(length))
        self.end_headers()
        self.body(met, data)

    do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_GET

    def body(self, met, data):
        if met == "cut":
            self.wfile.write(data[: len(data) // 2])
            self.close_connection = True
        elif met == "endless":
            while True:
                self.wfile.write(data)
        elif met == "stall":
            time.sleep(60)
            self.close_connection = True
        elif self.command != "HEAD":
            self.wfile.write(data)

    def refuse(self, status):
        words = {401: "UNAUTHORIZED", 403: "DENIED", 404: "MANIFEST_UNKNOWN", 429: "TOOMANYREQUESTS"}
        text = '{"errors":[{"code":"%s","message":"a fault"}]}' % words.get(status, "UNKNOWN")
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        if status == 429:
            self.send_header("Retry-After", "1")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(text.encode())


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_):
        pass  # a client that went away


server = Server(("127.0.0.1", 0), Proxy)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(certificate)
server.socket = context.wrap_socket(server.socket, server_side=True)
print(server.server_port, flush=True)
server.serve_forever()
