"""A worker's HAProxy in front of stand-ins for API servers, and a client that keeps count.

Everything runs in the network namespaces that run.sh has made: this process and HAProxy on the worker, one namespace
for each master.
"""

import asyncio
import contextlib
import json
import os
import ssl
import subprocess
import sys
import time

# How long a client waits for an answer: longer than HAProxy ever takes.
PATIENCE = 30


class Late(Exception):
    """Something did not happen in time."""


async def until(what, happened, limit):
    """Waits until `happened()` is true and returns what it said; `limit` is in seconds."""
    end = time.monotonic() + limit
    while True:
        said = happened()
        if said:
            return said
        if time.monotonic() > end:
            raise Late(f"{what}: not within {limit} s")
        await asyncio.sleep(0.02)


class Answer:
    """One request: when it began, how long it took, who answered, and how many bytes came if nobody did."""

    def __init__(self, began, who, received):
        self.began, self.who, self.received = began, who, received
        self.took = time.monotonic() - began


class Watch:
    """A request that stays open. `ended` is the time when it was cut."""

    def __init__(self, who):
        self.who, self.ended = who, None


class Bench:
    """Servers for all masters and one HAProxy. Use it with `async with`.

    With `foreign` the first master's server has another node's certificate.
    """

    def __init__(self, work, haproxy, foreign=False):
        with open(os.path.join(work, "lab.json"), encoding="utf-8") as file:
            lab = json.load(file)
        self.work, self.haproxy, self.port = work, haproxy, lab["port"]
        self.masters = {master["name"]: master for master in lab["masters"]}
        self.names, self.worker = list(self.masters), lab["worker"]["name"]
        self.foreign = self.names[0] if foreign else None
        self.log, self.servers, self.tasks = [], {}, []
        self.context = ssl.create_default_context(cafile=os.path.join(work, "ca.crt"))

    async def __aenter__(self):
        for name in self.names:
            self.link(name, "up")
            self.ready(name, True)
            await self.serve(name, self.worker if name == self.foreign else name)
        # What the kernel remembers of links that were down.
        subprocess.run(["ip", "neighbour", "flush", "dev", "workers"], check=True)
        for name in self.names:
            await self.reached(name)
        self.process = await asyncio.create_subprocess_exec(
            *self.haproxy, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        self.spawn(self.read_log())
        await until("HAProxy listens", self.accepts, 30)
        # Before its first check a server counts as up, but only just.
        for name in self.names:
            if name != self.foreign:
                await self.checked(name)
        return self

    async def __aexit__(self, *_):
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        for process in [self.process, *self.servers.values()]:
            await end(process)

    async def reached(self, name):
        _, writer = await asyncio.wait_for(asyncio.open_connection(self.masters[name]["address"], self.port), 30)
        writer.close()

    def spawn(self, coroutine):
        task = asyncio.get_running_loop().create_task(coroutine)
        self.tasks.append(task)
        return task

    def accepts(self):
        if self.process.returncode is not None:
            raise Late("HAProxy has ended")
        with open("/proc/net/tcp", encoding="ascii") as file:
            return f"0100007F:{self.port:04X} 00000000:0000 0A" in file.read()

    async def read_log(self):
        async for line in self.process.stdout:
            text = line.decode(errors="replace").rstrip()
            self.log.append((time.monotonic(), text))

    # What happens to masters.

    async def serve(self, name, certificate):
        """Starts the master's server, with the certificate of this node."""
        if name in self.servers:
            await end(self.servers[name])
        stem = os.path.join(self.work, certificate)
        arguments = [name, self.masters[name]["address"], str(self.port), f"{stem}.crt", f"{stem}.key"]
        here = os.path.dirname(os.path.abspath(__file__))
        server = await asyncio.create_subprocess_exec(
            *["ip", "netns", "exec", name, sys.executable, os.path.join(here, "server.py")],
            *arguments,
            self.folder(name),
            stdout=subprocess.PIPE,
        )
        self.servers[name] = server
        if await server.stdout.readline() != b"listening\n":
            raise Late(f"the server of {name} does not start")

    def folder(self, name):
        folder = os.path.join(self.work, f"{name}.state")
        os.makedirs(folder, exist_ok=True)
        return folder

    async def checked(self, name):
        """Waits for a health check."""
        mark = os.path.join(self.folder(name), "checked")
        with contextlib.suppress(FileNotFoundError):
            os.remove(mark)
        await until(f"{name} is checked", lambda: os.path.exists(mark), 30)

    def ready(self, name, ready):
        mark = os.path.join(self.folder(name), "unready")
        if ready:
            with contextlib.suppress(FileNotFoundError):
                os.remove(mark)
        else:
            open(mark, "w", encoding="ascii").close()

    def link(self, name, state):
        """With its link down a master is as one whose power has gone: packets to it are lost and nobody says so."""
        subprocess.run(["ip", "link", "set", "dev", self.masters[name]["link"], state], check=True)

    # What HAProxy says of them.

    def said(self, name, state, since):
        """When HAProxy first said this of the master after `since`."""
        text = f"Server masters/{name} is {state}"
        return next((at for at, line in self.log if at >= since and text in line), None)

    async def down(self, name, since, limit):
        """Seconds from `since` until HAProxy called the master down."""
        return await until(f"{name} is down", lambda: self.said(name, "DOWN", since), limit) - since

    async def up(self, name, since, limit):
        return await until(f"{name} is up", lambda: self.said(name, "UP", since), limit) - since

    # The client.

    async def open(self, path):
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", self.port, ssl=self.context, server_hostname="127.0.0.1"
        )
        writer.write(f"GET {path} HTTP/1.1\r\nHost: kubernetes\r\n\r\n".encode())
        await writer.drain()
        return reader, writer

    async def ask(self, path="/"):
        """One request on a connection of its own."""
        began, received, writer, who = time.monotonic(), b"", None, None

        async def exchange():
            nonlocal received, writer
            reader, writer = await self.open(path)
            while chunk := await reader.read(4096):
                received += chunk

        try:
            await asyncio.wait_for(exchange(), PATIENCE)
            head, _, body = received.partition(b"\r\n\r\n")
            who = body.decode() if head.startswith(b"HTTP/1.1 200 ") and body.decode() in self.masters else None
        except (OSError, EOFError, ssl.SSLError, asyncio.TimeoutError):
            pass
        finally:
            if writer:
                writer.close()
        return Answer(began, who, len(received))

    async def watch(self):
        """Opens a watch and returns when the server has begun to answer."""
        reader, writer = await self.open("/watch")
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), PATIENCE)
        assert head.startswith(b"HTTP/1.1 200 ")
        await reader.readuntil(b"\r\n")
        watch = Watch((await reader.readuntil(b"\r\n")).decode().strip())
        self.spawn(self.follow(watch, reader, writer))
        return watch

    async def follow(self, watch, reader, writer):
        try:
            with contextlib.suppress(OSError, ssl.SSLError):
                while await reader.read(4096):
                    pass
            watch.ended = time.monotonic()
        finally:
            writer.close()

    async def watch_each(self):
        """One watch on each master."""
        watches = {}
        for _ in range(10 * len(self.names)):
            watch = await self.watch()
            watches.setdefault(watch.who, watch)
            if len(watches) == len(self.names):
                return watches
        raise Late(f"watches reach only {sorted(watches)}")

    def traffic(self, every=0.2):
        """Asks again and again, waiting for no answer; returns the requests, which are tasks, and how to stop it."""
        asked = []

        async def run():
            while True:
                asked.append(self.spawn(self.ask()))
                await asyncio.sleep(every)

        return asked, self.spawn(run()).cancel


async def end(process):
    with contextlib.suppress(ProcessLookupError):
        process.kill()
    await process.wait()
