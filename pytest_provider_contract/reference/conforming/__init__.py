"""Variants that keep the contract in another way. A check that fails one of them is wrong.

``choices`` takes the other side where the contract says *either*; ``replies``, ``limits`` and
``servers`` are other habits, other limits and other software.
"""

from pytest_provider_contract.reference.conforming import choices, limits, replies, servers

__all__ = ["choices", "limits", "replies", "servers"]
