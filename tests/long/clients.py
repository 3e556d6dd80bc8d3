"""Clients of the API server that keep count, while the cluster loses what it can lose.

    clients.py FOLDER NAME=HOST:PORT[,HOST:PORT]... < kubeconfig as JSON

Through each of these addresses one client reads ten times a second and one writes once a second, each on a connection
that it keeps, until FOLDER has a file `stop`. With several addresses a client goes to the next when one fails. What was acknowledged is in FOLDER/written, a name a line. At the end it
prints JSON, an object for each client: how many requests, how many failed at first, how many a retry did not mend
(`lost`), the longest time without an answer in seconds (`gap`), and which masters answered.
"""

import base64
import http.client
import json
import os
import socket
import ssl
import sys
import tempfile
import threading
import time

# Seconds: an emulated API server that starts beside others takes long for an answer; one that is gone never gives one.
PATIENCE = 30
# How often a request is made again, and how long after.
RETRIES = 5
PAUSE = 1.0
# Where all clients read; it is there in every cluster.
READ = "/api/v1/namespaces/default/configmaps/kube-root-ca.crt?resourceVersion=0"
WRITE = "/api/v1/namespaces/default/configmaps"


class Connection(http.client.HTTPSConnection):
    """A connection to an API server behind another address: its certificate is for 127.0.0.1, and names the master."""

    def __init__(self, host, port, context):
        super().__init__(host, port, timeout=PATIENCE, context=context)
        self.trust, self.master = context, None

    def connect(self):
        raw = socket.create_connection((self.host, self.port), self.timeout)
        self.sock = self.trust.wrap_socket(raw, server_hostname="127.0.0.1")
        names = [name for kind, name in self.sock.getpeercert()["subjectAltName"] if kind == "DNS"]
        self.master = next(name for name in names if "." not in name and name not in ("kubernetes", "localhost"))


class Client(threading.Thread):
    """Asks every `every` seconds; `request` makes method, path and body of a number."""

    def __init__(self, through, connections, every, request, acknowledged):
        super().__init__()
        self.connections, self.connection = connections, connections[0]
        self.every, self.request, self.acknowledged = every, request, acknowledged
        self.ended = threading.Event()
        self.said = {"through": through, "every": every, "requests": 0, "failed": 0, "lost": 0, "gap": 0.0}
        self.masters, self.answered = {}, time.monotonic()

    def run(self):
        turn = time.monotonic()
        while not self.ended.is_set():
            self.once()
            turn = max(turn + self.every, time.monotonic() - self.every)
            self.ended.wait(max(0.0, turn - time.monotonic()))
        self.note_gap()
        self.connection.close()

    def once(self):
        number = self.said["requests"]
        for attempt in range(1 + RETRIES):
            try:
                self.ask(number, again=attempt > 0)
            except (OSError, http.client.HTTPException) as error:
                self.connection.close()
                if self.ended.is_set():
                    return
                self.connections.append(self.connections.pop(0))
                self.connection = self.connections[0]
                print(f"{time.time():.1f} {self.said['through']} {number}: {error!r}", file=sys.stderr, flush=True)
                self.said["failed"] += attempt == 0
                self.ended.wait(PAUSE)
            else:
                self.note_gap()
                self.masters[self.connection.master] = self.masters.get(self.connection.master, 0) + 1
                self.said["requests"] += 1
                return
        self.said["requests"] += 1
        self.said["lost"] += 1

    def ask(self, number, again):
        method, path, body, name = self.request(number)
        self.connection.request(method, path, body, {"Content-Type": "application/json"})
        response = self.connection.getresponse()
        response.read()
        # A write whose acknowledgement was lost is there when it is tried again.
        if response.status >= 300 and not (again and response.status == 409):
            raise http.client.HTTPException(f"{response.status} {response.reason}")
        if name:
            self.acknowledged(name)

    def note_gap(self):
        now = time.monotonic()
        self.said["gap"] = round(max(self.said["gap"], now - self.answered), 1)
        self.answered = now


def trust(config):
    """TLS as the kubeconfig's first user."""
    cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
    context = ssl.create_default_context(cadata=base64.b64decode(cluster["certificate-authority-data"]).decode())
    with tempfile.NamedTemporaryFile(mode="wb") as file:
        for part in ("client-certificate-data", "client-key-data"):
            file.write(base64.b64decode(user[part]))
        file.flush()
        context.load_cert_chain(file.name)
    return context


def main():
    folder, addresses = sys.argv[1], [argument.split("=", 1) for argument in sys.argv[2:]]
    context, lock = trust(json.load(sys.stdin)), threading.Lock()
    run = str(int(time.time()))
    with open(os.path.join(folder, "written"), "w", encoding="utf-8") as written:

        def acknowledged(name):
            with lock:
                written.write(name + "\n")
                written.flush()

        def read(_number):
            return "GET", READ, None, None

        def write_through(through):
            def write(number):
                name = f"written-{run}-{through}-{number}"
                return "POST", WRITE, json.dumps({"metadata": {"name": name}}), name

            return write

        def connections(several):
            pairs = [address.rsplit(":", 1) for address in several.split(",")]
            return [Connection(host, int(port), context) for host, port in pairs]

        clients = []
        for through, several in addresses:
            clients.append(Client(through, connections(several), 0.1, read, acknowledged))
            clients.append(Client(through, connections(several), 1.0, write_through(through), acknowledged))
        for client in clients:
            client.start()
        while not os.path.exists(os.path.join(folder, "stop")):
            time.sleep(0.2)
        for client in clients:
            client.ended.set()
        for client in clients:
            client.join()
    print(json.dumps([client.said | {"masters": client.masters} for client in clients]))


main()
