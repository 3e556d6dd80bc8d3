"""What tests/real/addons.sh needs of an API server and of Ignition configs.

    addons.py unpack CONFIG ROOT                     the files of a config, below a folder
    addons.py METHOD SERVER PKI PATH [BODY [TYPE]]   one request, as the cluster's administrator; prints status and answer
"""

import base64
import gzip
import json
import os
import ssl
import sys
import urllib.error
import urllib.request


def unpack(config, root):
    for file in json.load(open(config))["storage"]["files"]:
        kind, _, content = file["contents"]["source"].partition(",")
        content = base64.b64decode(content) if kind.endswith(";base64") else content.encode()
        if file["contents"].get("compression") == "gzip":
            content = gzip.decompress(content)
        path = root + file["path"]
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as out:
            out.write(content)


def ask(method, server, pki, path, body=None, kind="application/json"):
    context = ssl.create_default_context(cafile=pki + "/ca.crt")
    context.load_cert_chain(pki + "/addons.crt", pki + "/addons.key")
    data = None if body is None else body.encode()
    request = urllib.request.Request(server + path, data=data, method=method, headers={"Content-Type": kind})
    try:
        with urllib.request.urlopen(request, context=context) as answer:
            print(answer.status, answer.read().decode())
    except urllib.error.HTTPError as error:
        print(error.code, error.read().decode())


if sys.argv[1] == "unpack":
    unpack(*sys.argv[2:])
else:
    ask(*sys.argv[1:])
