"""Makes an archive as `docker save` does, the same bytes each time: image.py OUT NAME CONFIG TREE...

CONFIG is the image's `config` as JSON, and each TREE is a folder that becomes a layer. All is root's, but what is in a folder
`data`, which is user 999's. Times are 0."""

import hashlib
import io
import json
import os
import stat
import sys
import tarfile

out, name, config, trees = sys.argv[1], sys.argv[2], json.loads(sys.argv[3]), sys.argv[4:]


def add(tar, path, data, mode=0o644):
    info = tarfile.TarInfo(path)
    info.size, info.mode = len(data), mode
    tar.addfile(info, io.BytesIO(data))


def layer(tree):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for folder, folders, files in os.walk(tree):
            folders.sort()
            for entry in sorted(folders + files):
                path = os.path.join(folder, entry)
                inside = os.path.relpath(path, tree)
                info = tar.gettarinfo(path, inside)
                # Hard links would depend on the order of the folders.
                if info.islnk():
                    info.type, info.size = tarfile.REGTYPE, os.path.getsize(path)
                info.uid = info.gid = 999 if inside.split("/")[0] == "data" else 0
                info.uname = info.gname = ""
                info.mtime, info.mode = 0, stat.S_IMODE(os.lstat(path).st_mode)
                with open(path, "rb") if info.isreg() else io.BytesIO() as data:
                    tar.addfile(info, data)
    return buffer.getvalue()


layers = [layer(tree) for tree in trees]
digests = [hashlib.sha256(data).hexdigest() for data in layers]
rootfs = {"type": "layers", "diff_ids": [f"sha256:{digest}" for digest in digests]}
image = {"architecture": "amd64", "os": "linux", "created": "1970-01-01T00:00:00Z", "config": config, "rootfs": rootfs}
image = json.dumps(image, sort_keys=True).encode()
files = [f"{digest}/layer.tar" for digest in digests]
manifest = [{"Config": hashlib.sha256(image).hexdigest() + ".json", "RepoTags": [name], "Layers": files}]
with tarfile.open(out, "w", format=tarfile.GNU_FORMAT) as tar:
    add(tar, manifest[0]["Config"], image)
    for file, data in zip(files, layers):
        add(tar, file, data)
    add(tar, "manifest.json", json.dumps(manifest).encode())
