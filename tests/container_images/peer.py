"""The registry of another master, which does what a test wants: peer.py FOLDER IMAGES ADDRESS CERTIFICATE KEY.

FOLDER/lists has its answers, one after another, to who asks what it has; the last one stays, and at null it hangs up. What it
has is in the OCI layouts below IMAGES. While FOLDER/hold, FOLDER/gone or FOLDER/cut is there, a request whose path has in it
what stands there waits, is answered by 404, or gets half of an answer. FOLDER/requests gets the path of each request."""

import http.server
import json
import pathlib
import ssl
import sys
import threading
import time

folder, images, address, certificate, key = sys.argv[1:]
folder, images = pathlib.Path(folder), pathlib.Path(images)
lists = json.loads((folder / "lists").read_text())
lock = threading.Lock()


class Master(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def meets(self, fault):
        file = folder / fault
        return file.exists() and file.read_text() in self.path

    def do_POST(self):
        self.answer(200, b"")

    def do_GET(self):
        with lock:
            with open(folder / "requests", "a") as log:
                log.write(self.path + "\n")
        if self.path == "/hab/images":
            with lock:
                said = lists.pop(0) if len(lists) > 1 else lists[0]
            if said is None:
                self.close_connection = True
                return
            return self.answer(200, json.dumps(said).encode())
        while self.meets("hold"):
            time.sleep(0.1)
        wanted = self.path.rpartition("sha256:")[2]
        found = next(images.glob("*/blobs/sha256/" + wanted), None)
        if self.meets("gone") or not found:
            return self.answer(404, b"")
        data = found.read_bytes()
        kind = json.loads(data)["mediaType"] if "/manifests/" in self.path else "application/octet-stream"
        self.answer(200, data, kind)

    def answer(self, status, data, kind="application/json"):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.meets("cut"):
            data = data[: len(data) // 2]
            self.close_connection = True
        self.wfile.write(data)


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True

    def handle_error(self, *_):
        pass  # a client that went away


server = Server((address, 5000), Master)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(certificate, key)
server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()
