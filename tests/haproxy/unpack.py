"""Takes out of a rendered lab what the test needs: haproxy.cfg, the authority, certificates, names and addresses.

Arguments: the lab, and a folder to write to.
"""

import base64
import gzip
import json
import os
import sys
import urllib.parse

lab, work = sys.argv[1:]
PKI = "/etc/kubernetes/pki"


def files(node):
    """The text files that Ignition writes on the node, by path."""
    with open(os.path.join(lab, node["ignition"]), encoding="utf-8") as file:
        config = json.load(file)
    found = {}
    for entry in config["storage"]["files"]:
        head, data = entry["contents"]["source"].split(",", 1)
        content = base64.b64decode(data) if head.endswith(";base64") else urllib.parse.unquote_to_bytes(data)
        if entry["contents"].get("compression") == "gzip":
            content = gzip.decompress(content)
        found[entry["path"]] = content
    return found


def write(name, content):
    with open(os.path.join(work, name), "wb", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
        file.write(content)


def pair(name, found, stem):
    for ending in ("crt", "key"):
        write(f"{name}.{ending}", found[f"{PKI}/{stem}.{ending}"])


with open(os.path.join(lab, "out/nodes.json"), encoding="utf-8") as file:
    nodes = json.load(file)["nodes"]
masters = [node for node in nodes if node["role"] == "master"]
worker = next(node for node in nodes if node["role"] == "worker")

of_worker = files(worker)
write("haproxy.cfg", of_worker["/etc/kubernetes/haproxy/haproxy.cfg"])
write("ca.crt", of_worker[f"{PKI}/ca.crt"])
# A server certificate of the same authority, for a name that is no master's.
pair(worker["name"], of_worker, "kubelet-server")
for master in masters:
    pair(master["name"], files(master), "apiserver")

facts = dict(line.split("=", 1) for line in of_worker["/etc/kubernetes/hab/node.env"].decode().split())
summary = {
    "worker": {"name": worker["name"], "address": worker["address"]},
    "prefix": int(facts["PREFIX"]),
    "port": 6443,
    "masters": [
        {"name": master["name"], "address": master["address"], "link": f"master{number}"}
        for number, master in enumerate(masters)
    ],
}
write("lab.json", json.dumps(summary).encode())
