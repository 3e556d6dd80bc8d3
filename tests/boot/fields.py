#!/usr/bin/env python3
"""The fields of a program's configuration as Kubernetes' own Go types have them, in the form of src/config/known/.

    fields.py MODULES VERSION PROGRAM   MODULES: Go's module cache; VERSION: that of Kubernetes; PROGRAM: see below
"""
import pathlib
import re
import sys

PROGRAMS = {
    "kubelet": ("k8s.io/kubelet/config/v1beta1", "KubeletConfiguration"),
    "kube-proxy": ("k8s.io/kube-proxy/config/v1alpha1", "KubeProxyConfiguration"),
}
BASIC = {"string": "text", "float32": "number", "float64": "number"} | {
    same: same for same in ("bool", "int32", "int64", "uint32")
}
# Those that read JSON by a function of their own, `UnmarshalJSON`.
OWN = {
    "k8s.io/apimachinery/pkg/apis/meta/v1.Duration": "duration",
    "k8s.io/apimachinery/pkg/apis/meta/v1.Time": "timestamp",
    "k8s.io/apimachinery/pkg/api/resource.Quantity": "quantity",
    "k8s.io/apimachinery/pkg/api/resource.QuantityValue": "quantity",
    "k8s.io/component-base/logs/api/v1.TimeOrMetaDuration": "duration or int64",
}
# What is in it hab writes: `apiVersion` and `kind`.
META = "metav1.TypeMeta"


class Types:
    def __init__(self, modules, version):
        # Kubernetes 1.X.Y's libraries are the modules of version 0.X.Y.
        self.modules, self.version, self.texts = modules, version.replace("v1.", "v0.", 1), {}

    def text(self, package):
        if package not in self.texts:
            _, module, path = package.split("/", 2)
            file = self.modules / "k8s.io" / f"{module}@{self.version}" / path / "types.go"
            # Without comments; what else has their signs, such as an address, is itself in one.
            self.texts[package] = re.sub(r"/\*.*?\*/", "", re.sub(r"//.*", "", file.read_text()), flags=re.S)
        return self.texts[package]

    def full(self, package, name):
        """A type's name with the whole path of its package."""
        if "." not in name:
            return package, name
        alias, name = name.split(".")
        for said, path in re.findall(r'^\s*(\w*)\s*"(\S+/\S+)"$', self.text(package), re.M):
            if alias == (said or path.rsplit("/", 1)[1]):
                return path, name
        raise LookupError(f"{package} does not import {alias}")

    def lines(self, package, kind, path=""):
        """Lines (path, type) of what is at `path`."""
        kind = kind.lstrip("*")
        if kind in BASIC:
            return [(path, BASIC[kind])]
        for begins, of in ((r"\[\]", "list of"), (r"map\[\w+\]", "map of")):
            if inner := re.fullmatch(begins + "(.+)", kind):
                below = self.lines(package, inner[1])
                if [where for where, _ in below] == [""]:
                    return [(path, f"{of} {below[0][1]}")]
                return [(f"{path}[].{where}", kind) for where, kind in below]
        package, name = self.full(package, kind)
        if f"{package}.{name}" in OWN:
            return [(path, OWN[f"{package}.{name}"])]
        text = self.text(package)
        if other := re.search(rf"^type {name} (?!struct\b)(\S+)$", text, re.M):
            return self.lines(package, other[1], path)
        fields = re.search(rf"^type {name} struct {{\n(.*?)^}}", text, re.M | re.S)[1]
        return [line for field in fields.splitlines() if field.strip() for line in self.field(package, field, path)]

    def field(self, package, field, path):
        # What is embedded has no name of its own, neither in Go nor in JSON.
        kind, name = re.fullmatch(r'\s*(?:\w+\s+)?(\S+)\s+`json:"(\w*)[^`]*`\s*', field).groups()
        if kind == META:
            return []
        dot = "." if path and name else ""
        return self.lines(package, kind, f"{path}{dot}{name}")


if __name__ == "__main__":
    modules, version, program = sys.argv[1:]
    lines = Types(pathlib.Path(modules), version).lines(*PROGRAMS[program])
    for path, kind in sorted(lines, key=lambda line: line[0].lower()):
        print(path, kind)
