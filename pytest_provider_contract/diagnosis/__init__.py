"""Which single known fault explains what a run has seen.

A catalogue of ledgers, each the right one with one flaw, is run over the recorded history; the
flaws that explain every observed answer are the likely causes. What is wrong with the form of a
reply is told from the reply itself.
"""

from pytest_provider_contract.diagnosis.cause import Cause, likely

__all__ = ["Cause", "likely"]
