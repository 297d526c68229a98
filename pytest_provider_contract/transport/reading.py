"""Puts a reply together from whatever bytes arrive, without touching a socket."""

from __future__ import annotations

import h11

from pytest_provider_contract.transport.reply import BODY_LIMIT, Failure, Reply, decoded

_INTERIM_REPLIES = 8
# A megabyte in chunks of one byte would keep us busy for long.
_PIECES = 20_000


class ReplyReader:
    """Reads one reply of one HTTP/1.1 exchange.

    Each method returns the reply when it is complete or can't become so, else None.

    Args:
        protocol: An h11 client connection whose request has been written.

    Attributes:
        begun: Whether any byte of the reply has come.
    """

    def __init__(self, protocol: h11.Connection) -> None:
        self.begun = False
        self._protocol = protocol
        self._head: h11.Response | None = None
        self._body = bytearray()
        self._interim = 0
        self._pieces = 0

    def receive(self, data: bytes) -> Reply | None:
        """Take what came; ``b""`` is the end of the connection."""
        if not data and not self.begun:
            return Reply(None, failure=Failure.CLOSED)
        self.begun = True
        self._protocol.receive_data(data)
        while True:
            try:
                event = self._protocol.next_event()
            except h11.RemoteProtocolError as error:
                return self._failed(Failure.INCOMPLETE if self._head else Failure.NOT_HTTP, str(error))
            if event is h11.NEED_DATA:
                return None
            if reply := self._take(event):
                return reply

    def _take(self, event: object) -> Reply | None:
        if isinstance(event, h11.InformationalResponse):
            self._interim += 1
            return self._failed(Failure.NOT_HTTP, "interim replies without end") if self._is_flooded() else None
        if isinstance(event, h11.Response):
            self._head = event
            return None
        if isinstance(event, h11.Data):
            self._body += event.data
            self._pieces += 1
            if self._pieces > _PIECES:
                return self._failed(Failure.TOO_LARGE, "or in very many pieces")
            return self._failed(Failure.TOO_LARGE) if len(self._body) > BODY_LIMIT else None
        # EndOfMessage, or the end of something that was no reply.
        if self._head is None:
            return self._failed(Failure.NOT_HTTP)
        if self._protocol.trailing_data[0]:
            return self._failed(Failure.TRAILING)
        return decoded(Reply(self._head.status_code, tuple(self._head.headers), bytes(self._body)))

    def _is_flooded(self) -> bool:
        return self._interim > _INTERIM_REPLIES

    def broken(self, detail: str) -> Reply:
        """The connection broke."""
        return self._failed(Failure.INCOMPLETE if self.begun else Failure.RESET, detail)

    def late(self, detail: str = "") -> Reply:
        """The deadline has passed."""
        return self._failed(Failure.TIMEOUT, detail)

    def _failed(self, failure: Failure, detail: str = "") -> Reply:
        status, headers = (self._head.status_code, tuple(self._head.headers)) if self._head else (None, ())
        return Reply(status, headers, bytes(self._body), failure, detail)
