"""The wire: HTTP over sockets of our own, one callback or several at the same time.

Sockets and h11 rather than a client library, because the contract is about the bytes: the
deadline covers headers and body together, a reply may be anything, and races and lost
replies need to decide when which byte leaves. Nothing here knows about callbacks.
"""

from pytest_provider_contract.transport.connection import Connection
from pytest_provider_contract.transport.endpoint import Endpoint, ca_file
from pytest_provider_contract.transport.pool import Pool
from pytest_provider_contract.transport.reply import BODY_LIMIT, Failure, Header, Reply
from pytest_provider_contract.transport.request import Fault, Overlap, Request, Timed, overlap

__all__ = [
    "BODY_LIMIT",
    "Connection",
    "Endpoint",
    "Failure",
    "Fault",
    "Header",
    "Overlap",
    "Pool",
    "Reply",
    "Request",
    "Timed",
    "ca_file",
    "overlap",
]
