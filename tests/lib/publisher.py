#!/usr/bin/env python3
"""Publishes what hab has built itself as the projects publish theirs: the same paths, archives and lists of digests.

    publisher.py pack LOCK CACHE GOROOT FOLDER   programs of a lock of the supply `source`, and a Go, into FOLDER/HOST/PATH
    publisher.py serve FOLDER                    serves FOLDER on the loopback; prints its address, ends with its input

The paths stand here as the projects document them, not as hab's table has them. Archives have what hab does not take,
too. As the real servers do, those of Kubernetes and GitHub send a client elsewhere first.
"""
import gzip
import hashlib
import http.server
import io
import json
import pathlib
import sys
import tarfile
import threading

KUBERNETES = ["kube-apiserver", "kube-controller-manager", "kube-scheduler", "kube-proxy", "kubelet", "kubectl"]
MOVED = {"/dl.k8s.io/": "/cdn.dl.k8s.io/", "/github.com/": "/release-assets.githubusercontent.com/"}


def digest(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def programs(lock, cache):
    """Name -> the file in the cache that the lock names."""
    built = lock["supply"]["built"]["programs"]
    found = {}
    for entry in (cache / "go-programs").iterdir():
        if not (entry / "programs.json").exists():
            continue
        for name, listed in json.loads((entry / "programs.json").read_text()).items():
            if built.get(name) == listed["sha256"]:
                found[name] = entry / "bin" / name
    return found


def put(folder, url, data):
    path = folder / url
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def archive(folder, url, members, top=None):
    """A gzipped tar of (name, file) or (name, None) for a folder; `top` is a folder that goes in as a whole."""
    path = folder / url
    path.parent.mkdir(parents=True, exist_ok=True)
    with gzip.open(path, "wb", compresslevel=1) as out, tarfile.open(fileobj=out, mode="w") as tar:
        for name, file in members:
            if file is None:
                info = tarfile.TarInfo(name)
                info.type, info.mode = tarfile.DIRTYPE, 0o755
                tar.addfile(info)
            elif isinstance(file, bytes):
                info = tarfile.TarInfo(name)
                info.size = len(file)
                tar.addfile(info, io.BytesIO(file))
            else:
                tar.add(file, name)
        if top:
            tar.add(top[1], top[0])
    return path


def pack(lock, cache, goroot, folder):
    lock = json.loads(lock.read_text())
    own = programs(lock, cache)
    version = {name: pin["version"] for name, pin in lock["supply"]["upstreams"].items()}

    base = f"cdn.dl.k8s.io/release/{version['kubernetes']}/bin/linux/amd64"
    for name in KUBERNETES:
        path = put(folder, f"{base}/{name}", own[name].read_bytes())
        put(folder, f"{base}/{name}.sha256", digest(path).encode())

    def release(project, name, files):
        return f"release-assets.githubusercontent.com/{project}/releases/download/{version[name]}/{files}"

    number = version["containerd"].removeprefix("v")
    name = f"containerd-static-{number}-linux-amd64.tar.gz"
    members = [(f"bin/{program}", own[program]) for program in ("containerd", "ctr", "containerd-shim-runc-v2")]
    path = archive(folder, release("containerd/containerd", "containerd", name), [("bin/", None), *members])
    put(folder, release("containerd/containerd", "containerd", f"{name}.sha256sum"), f"{digest(path)}  {name}\n".encode())

    top = f"etcd-{version['etcd']}-linux-amd64"
    members = [(f"{top}/{program}", own[program]) for program in ("etcd", "etcdctl", "etcdutl")]
    members = [(f"{top}/", None), (f"{top}/README.md", b"etcd\n"), *members]
    path = archive(folder, release("etcd-io/etcd", "etcd", f"{top}.tar.gz"), members)
    sums = f"{'0' * 64}  etcd-{version['etcd']}-darwin-amd64.zip\n{digest(path)}  {top}.tar.gz\n"
    put(folder, release("etcd-io/etcd", "etcd", "SHA256SUMS"), sums.encode())

    name = f"coredns_{version['coredns'].removeprefix('v')}_linux_amd64.tgz"
    path = archive(folder, release("coredns/coredns", "coredns", name), [("coredns", own["coredns"])])
    put(folder, release("coredns/coredns", "coredns", f"{name}.sha256"), f"{digest(path)}  {name}\n".encode())

    name = f"cni-plugins-linux-amd64-{version['cni']}.tgz"
    members = [(f"./{program}", own[program]) for program in ("bridge", "host-local", "loopback", "portmap")]
    members = [("./", None), ("./README.md", b"plugins\n"), *members]
    path = archive(folder, release("containernetworking/plugins", "cni", name), members)
    put(folder, release("containernetworking/plugins", "cni", f"{name}.sha256"), f"{digest(path)}  {name}\n".encode())

    name = f"{lock['supply']['go']}.linux-amd64.tar.gz"
    path = archive(folder, f"dl.google.com/go/{name}", [], ("go", goroot))
    put(folder, f"dl.google.com/go/{name}.sha256", digest(path).encode())


class Handler(http.server.SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_GET(self):
        for begin, instead in MOVED.items():
            if self.path.startswith(begin):
                self.send_response(302)
                self.send_header("Location", instead + self.path.removeprefix(begin) + "?sig=a%2Fb%3D")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
        super().do_GET()


def serve(folder):
    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), lambda *args: Handler(*args, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(f"http://127.0.0.1:{server.server_port}", flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    verb, *args = sys.argv[1:]
    {"pack": pack, "serve": serve}[verb](*map(pathlib.Path, args))
