"""Stands in for a kube-apiserver: TLS with the certificate it is given, and four paths.

Arguments: name, address, port, certificate, key, and a folder.

/readyz   200, or 500 while the folder has a file `unready`; leaves a file `checked`
/watch    a first chunk with this server's name, then silence for as long as the connection lives
/slow     the name, after a while
/...      the name at once
"""

import asyncio
import os
import ssl
import sys

SLOW_SECONDS = 3


async def answer(reader, writer, name, folder):
    try:
        head = await reader.readuntil(b"\r\n\r\n")
        path = head.split(b" ", 2)[1].decode()
        status = 200
        if path == "/readyz":
            status = 500 if os.path.exists(os.path.join(folder, "unready")) else 200
            open(os.path.join(folder, "checked"), "w", encoding="ascii").close()
        if path == "/slow":
            await asyncio.sleep(SLOW_SECONDS)
        if path == "/watch":
            writer.write(f"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{len(name):x}\r\n{name}\r\n".encode())
            await writer.drain()
            await reader.read()
        else:
            writer.write(f"HTTP/1.1 {status} -\r\nContent-Length: {len(name)}\r\n\r\n{name}".encode())
            await writer.drain()
    except (OSError, asyncio.IncompleteReadError, ssl.SSLError):
        pass  # The other side has gone, which is what it is here for.
    finally:
        writer.close()


async def main():
    name, address, port, certificate, key, folder = sys.argv[1:]
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server = await asyncio.start_server(
        lambda reader, writer: answer(reader, writer, name, folder), address, int(port), ssl=context
    )
    print("listening", flush=True)
    await server.serve_forever()


asyncio.run(main())
