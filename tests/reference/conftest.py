"""What the tests of the bundled operator share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from fake_provider import ALICE, BOB, REWARD, Provider

from pytest_provider_contract.reference.process import RunningOperator, running


@pytest.fixture(scope="session")
def key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


@pytest.fixture(scope="session")
def public_key(key: rsa.RSAPrivateKey, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("key") / "public.pem"
    encoded = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    path.write_bytes(encoded)
    return path


@pytest.fixture(scope="module")
def shared_operator(public_key: Path) -> Iterator[RunningOperator]:
    with running(variant=None, public_key=public_key, players=[ALICE, BOB], rewards=[REWARD]) as operator:
        yield operator


@pytest.fixture
def provider(shared_operator: RunningOperator, key: rsa.RSAPrivateKey) -> Iterator[Provider]:
    """A provider of an operator that the tests of one file share."""
    with closing(Provider(shared_operator.url, key)) as provider:
        yield provider
