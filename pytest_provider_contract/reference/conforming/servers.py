"""Other server software, and other ways to handle connections."""

from __future__ import annotations

import asyncio
import importlib.util
import socket
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from waitress.task import WSGITask  # type: ignore[import-untyped]

from pytest_provider_contract.reference.conforming.replies import GzipWhenAsked
from pytest_provider_contract.reference.gateway import Gateway, Response
from pytest_provider_contract.reference.server import Channel, Server
from pytest_provider_contract.reference.variants import conforming

if TYPE_CHECKING:
    from waitress.adjustments import Adjustments  # type: ignore[import-untyped]

# -- connections --------------------------------------------------------------------------------


class _LastTask(WSGITask):  # type: ignore[misc]
    def execute(self) -> None:
        self.set_close_on_finish()
        super().execute()


class _OneRequest(Channel):
    task_class = _LastTask


@conforming("closes-after-each-reply")
class ClosesAfterEachReply(Server):
    """Every reply says Connection: close, and the connection is closed."""

    channel_class = _OneRequest


@conforming("closes-idle-connections")
class ClosesIdleConnections(Server):
    """A connection without a callback for 100 ms is closed."""

    def _adjust(self, adjustments: Adjustments) -> None:
        # Set afterwards, because waitress takes only whole seconds at the door.
        adjustments.channel_timeout = 0.1
        adjustments.cleanup_interval = 0.02
        adjustments.asyncore_loop_timeout = 0.02


# -- software -----------------------------------------------------------------------------------


@conforming("standard-library-server")
class StandardLibraryServer(Server):
    """The server is Python's own http.server, a thread for each connection."""

    def run(self) -> None:
        """Serves for ever."""
        gateway = self._gateway

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = -1  # header and body in one packet

            def do_POST(self) -> None:
                length = self.headers.get("Content-Length") or "0"
                if not (length.isascii() and length.isdigit()):
                    self.close_connection = True
                    length = "0"
                headers = {name.lower(): value for name, value in self.headers.items()}
                response = gateway.serve("POST", self.path, headers, self.rfile.read(int(length)))
                self.send_response(response.status)
                for name, value in response.headers:
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(response.body)

            def log_message(self, *_: object) -> None:
                """Says nothing."""

        server = ThreadingHTTPServer(("", 0), Handler, bind_and_activate=False)
        server.socket.close()
        server.socket = self._listener
        server.serve_forever()


@conforming("asyncio-server")
class AsyncioServer(Server):
    """The server is a few lines of asyncio, with header names in lower case."""

    def run(self) -> None:
        """Serves for ever."""
        self._threads = ThreadPoolExecutor(16)
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        server = await asyncio.start_server(self._connection, sock=self._listener, limit=1 << 20)
        await server.serve_forever()

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await self._exchange(reader, writer):
                pass
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, OSError):
            pass  # the client is gone, or sends no HTTP
        finally:
            writer.close()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """One request and its reply; whether the connection stays open."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        method, path, *_ = [*head.partition("\r\n")[0].split(" "), "", ""]
        headers = {
            name.strip().lower(): value.strip()
            for name, colon, value in (line.partition(":") for line in head.split("\r\n")[1:])
            if colon
        }
        length = headers.get("content-length", "0")
        if not (length.isascii() and length.isdigit() and len(length) < 8):
            headers["connection"], length = "close", "0"
        if headers.get("expect", "").lower() == "100-continue":
            writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        body = await reader.readexactly(int(length))
        response = await asyncio.get_running_loop().run_in_executor(
            self._threads, self._gateway.serve, method, path, headers, body
        )
        stays = headers.get("connection", "").lower() != "close"
        writer.write(self._encoded(response, stays=stays))
        await writer.drain()
        return stays

    def _encoded(self, response: Response, *, stays: bool) -> bytes:
        headers: Mapping[str, str] = {name.lower(): value for name, value in response.headers}
        if not stays:
            headers = {**headers, "connection": "close"}
        lines = [f"HTTP/1.1 {response.line}", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
        return "\r\n".join(lines).encode("latin-1") + response.body


@conforming("chunked-replies")
class ChunkedReplies(AsyncioServer):
    """Replies are sent in chunks of 16 bytes, without a length."""

    def _encoded(self, response: Response, *, stays: bool) -> bytes:
        headers = [(name, value) for name, value in response.headers if name != "Content-Length"]
        parts = [response.body[start : start + 16] for start in range(0, len(response.body), 16)]
        chunks = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in [*parts, b""])
        return super()._encoded(
            Response(response.status, [*headers, ("transfer-encoding", "chunked")], chunks), stays=stays
        )


@conforming("compressed-chunks")
class CompressedChunks(ChunkedReplies):
    """Replies are compressed for a client that accepts it, and sent in chunks."""

    gateway_class = GzipWhenAsked


@conforming("closes-without-a-word")
class ClosesWithoutAWord(AsyncioServer):
    """A connection is closed after seven replies, without a Connection header that says so."""

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            for _ in range(7):
                if not await self._exchange(reader, writer):
                    break
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, OSError):
            pass  # as above
        finally:
            writer.close()


@conforming("http-1-0")
class Http10(AsyncioServer):
    """The server speaks HTTP/1.0: the end of the connection is the end of the reply."""

    def _encoded(self, response: Response, *, stays: bool) -> bytes:
        headers = [(name, value) for name, value in response.headers if name != "Content-Length"]
        lines = [f"HTTP/1.0 {response.line}", *(f"{name}: {value}" for name, value in headers), "", ""]
        return "\r\n".join(lines).encode("latin-1") + response.body

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        await super()._exchange(reader, writer)
        return False


@conforming("asgi-server")
class AsgiServer(Server):
    """The server is uvicorn, as behind FastAPI; it must be installed."""

    software: ClassVar[str] = "uvicorn"

    def __init__(self, gateway: Gateway, listener: socket.socket, certificate: Path | None = None) -> None:
        super().__init__(gateway, listener, certificate)
        if importlib.util.find_spec(self.software) is None:
            raise ValueError(f"this variant needs {self.software}: pip install {self.software}")
        self._threads = ThreadPoolExecutor(16)

    def run(self) -> None:
        """Serves for ever."""
        import uvicorn  # noqa: PLC0415 - an extra for those who ask for this variant

        # Asyncio does so itself only for sockets that it has made.
        self._listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        config = uvicorn.Config(self._application, interface="asgi3", log_level="error", lifespan="off")
        uvicorn.Server(config).run(sockets=[self._listener])

    async def _application(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return  # there is nothing to prepare before the first request
        body, more = b"", True
        while more:
            event = await receive()
            if event["type"] == "http.disconnect":
                return
            body, more = body + event.get("body", b""), event.get("more_body", False)
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        response = await asyncio.get_running_loop().run_in_executor(
            self._threads, self._gateway.serve, scope["method"], scope["path"], headers, body
        )
        told = [(name.lower().encode(), value.encode()) for name, value in response.headers]
        await send({"type": "http.response.start", "status": response.status, "headers": told})
        await send({"type": "http.response.body", "body": response.body})


@conforming("http-2")
class Http2(AsgiServer):
    """The server is hypercorn, which speaks HTTP/2 over TLS; it must be installed."""

    software: ClassVar[str] = "hypercorn"
    scheme: ClassVar[str] = "https"

    def __init__(self, gateway: Gateway, listener: socket.socket, certificate: Path | None = None) -> None:
        super().__init__(gateway, listener, certificate)
        if certificate is None:
            raise ValueError("give --certificate FILE: this variant speaks TLS, and clients must know whom to trust")
        # Certificates take as long to load as the other variants together.
        from pytest_provider_contract.reference.certificate import have_certificate  # noqa: PLC0415

        have_certificate(certificate, listener.getsockname()[0])

    def run(self) -> None:
        """Serves for ever."""
        from hypercorn.asyncio import serve  # noqa: PLC0415 - an extra for those who ask for this variant
        from hypercorn.config import Config  # noqa: PLC0415

        config = Config()
        config.bind = [f"fd://{self._listener.detach()}"]
        config.certfile = config.keyfile = str(self._certificate)
        config.errorlog = None
        # Without a trigger of ours it would take over the signals.
        asyncio.run(serve(self._application, config, shutdown_trigger=asyncio.Event().wait, mode="asgi"))
