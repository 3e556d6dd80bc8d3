#!/usr/bin/env python3
"""A configuration with every field of a list of src/config/known/, each with a value of its type.

    sample.py APIVERSION KIND <LIST

Prints it as one line of JSON. Every section of it has one field more, `planted`, which the program does not know; their
paths follow, one a line.
"""
import json
import sys

VALUES = {
    # As a format of logs none has it: with that the program ends, once it has read all, and before it does anything.
    "text": "x",
    "bool": False,
    # The largest: for a smaller type than the list has, it is too large.
    "int32": 2**31 - 1,
    "int64": 2**63 - 1,
    "uint32": 2**32 - 1,
    "number": 0.5,
    "duration": "1s",
    "duration or int64": 1,
    "quantity": "1Gi",
    "timestamp": "2006-01-02T15:04:05Z",
    # These are gates of features; the kubelet panics at one that it does not know.
    "map of bool": {"AllAlpha": False},
}


def value(kind):
    if kind not in VALUES and kind.startswith("list of "):
        return [value(kind.removeprefix("list of "))]
    if kind not in VALUES and kind.startswith("map of "):
        return {"x": value(kind.removeprefix("map of "))}
    return VALUES[kind]


def section(lines):
    """The section that these lines (path, type) are of, and where in it something is planted."""
    made, planted, inner = {"planted": 1}, ["planted"], {}
    for path, kind in lines:
        name, dot, below = path.partition(".")
        if dot:
            inner.setdefault(name, []).append((below, kind))
        else:
            made[name] = value(kind)
    for name, lines in inner.items():
        one, below = section(lines)
        listed = name.endswith("[]")
        made[name.removesuffix("[]")] = [one] if listed else one
        planted += [f"{name.replace('[]', '[0]')}.{path}" for path in below]
    return made, planted


made, planted = section([line.rstrip("\n").split(" ", 1) for line in sys.stdin])
print(json.dumps({"apiVersion": sys.argv[1], "kind": sys.argv[2]} | made))
print("\n".join(planted))
