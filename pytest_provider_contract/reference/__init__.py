"""A real wallet server: the model for an operator's engineer, and the suite's own test subject.

Read it in this order:

* ``messages``: what arrives and what is answered
* ``store``: what the wallet remembers, in SQLite
* ``wallet``: what each callback does to the money
* ``signature``: is it the provider who calls?
* ``gateway``: from bytes to an answer, always HTTP 200
* ``server``: the sockets

``python -m pytest_provider_contract.reference`` starts it. ``faults`` and ``conforming`` hold
its variants: each overrides one small step of the operator. Nothing here uses the checking side
of the package, so that the two cannot share a mistake.
"""
