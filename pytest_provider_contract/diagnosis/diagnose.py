"""From a recorded history to the likely causes, fewest assumptions first."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import fields, replace

from pytest_provider_contract.checks import Answer, Violation
from pytest_provider_contract.diagnosis import probes
from pytest_provider_contract.diagnosis.cause import Cause
from pytest_provider_contract.diagnosis.explain import explains
from pytest_provider_contract.diagnosis.flaw import Flaw
from pytest_provider_contract.diagnosis.forms import causes_of_advice, causes_of_form
from pytest_provider_contract.diagnosis.races import causes_of_race
from pytest_provider_contract.diagnosis.record import Record
from pytest_provider_contract.ledger import Ledger
from pytest_provider_contract.profile import Kind, Profile
from pytest_provider_contract.provider import Performance
from pytest_provider_contract.scenario import Scenario

_OF_THE_LEDGER = len(fields(Ledger))
_MOST_SHOWING = 3


def diagnose(
    performance: Performance,
    profile: Profile,
    evidence: Sequence[Performance] = (),
    probe: Callable[[Scenario], Performance | None] | None = None,
    *,
    advisory: str | None = None,
    steady: bool = False,
    known: Collection[frozenset[str]] = (),
) -> tuple[Cause, ...]:
    """The likely causes of what a performance shows.

    Args:
        performance: One with a violation, the shorter the better, or with the advisory.
        profile: The dialect.
        evidence: Other performances of the same wallet, whatever they showed.
        probe: Plays a further scenario when several flaws are left; None if it can't.
        advisory: The SHOULD rule that was not followed, where that is the matter.
        steady: Whether the same showed at every repetition, so that nothing may be said to come and go.
        known: Ids of the causes of each earlier finding: what they explain as well needs no other.

    Returns:
        One cause where the evidence leaves one, several where it does not decide, none
        where no single known fault explains it.
    """
    strict = frozenset({advisory} if advisory else ())
    record = Record.of(performance, profile, strict=strict)
    if advisory is not None and (found := causes_of_advice(advisory, performance.exchanges, profile)):
        return found
    if record is None:
        return causes_of_form(performance.exchanges, performance.violation, profile)
    if (unreadable := _first_unreadable(record)) is not None:
        return causes_of_form(record.exchanges[: unreadable + 1], performance.violation, profile)
    if not record.is_in_turn:
        return causes_of_race(record)
    if record.breach()[0] is None and advisory is None:
        # Each answer is allowed for itself: bets that are declined every time, or a reply's form.
        record = replace(record, insist=True)
        if record.breach()[0] is None:
            return causes_of_form(performance.exchanges, performance.violation, profile)
    others: list[Record] = []
    earlier: set[tuple[str, Kind, int]] = set()
    for past in evidence:
        if past is performance:
            continue
        if (other := Record.of(past, profile, strict=strict)) is not None and other.is_in_turn:
            others.append(replace(other, earlier=frozenset(earlier)))
            earlier |= other.succeeded
    record = replace(record, earlier=frozenset(earlier))
    found = _Inquiry(record, others, probe, steady=steady).causes(known)
    return found or _wrong_currency(record)


def _first_unreadable(record: Record) -> int | None:
    """Index of the first reply that is no answer of the contract; in a race it need not be the last."""
    return next((i for i, answer in enumerate(record.answers) if isinstance(answer, Violation)), None)


def _wrong_currency(record: Record) -> tuple[Cause, ...]:
    """The cause of a reply in another currency, which no flaw of the money explains."""
    for number, (exchange, answer) in enumerate(zip(record.exchanges, record.answers, strict=True), 1):
        currency = record.ledger.currencies.get(exchange.callback.player_id)
        if isinstance(answer, Answer) and None not in (answer.currency, currency) and answer.currency != currency:
            violation = Violation("BALANCE-04", f"currency {currency}", f"currency {answer.currency}")
            return causes_of_form(record.exchanges[:number], violation, record.profile)
    return ()


class _Inquiry:
    """One search for the flaws that explain everything."""

    def __init__(
        self,
        record: Record,
        others: list[Record],
        probe: Callable[[Scenario], Performance | None] | None,
        *,
        steady: bool,
    ) -> None:
        self.record = record
        self.steady = steady
        self.others = others
        self.probe = probe
        self.seen = [record]
        # Parameters may be told by another history that shows the same.
        showing = [record, *[other for other in others if other.breach()[0] is not None][-_MOST_SHOWING:]]
        self.pool = [flaw.again(record) for each in showing for flaw in candidates(each)]
        self.fitting = [flaw for flaw in self.pool if explains(flaw, record)]

    def causes(self, known: Collection[frozenset[str]]) -> tuple[Cause, ...]:
        return self._known_again(known) or self._searched()

    def _known_again(self, known: Collection[frozenset[str]]) -> tuple[Cause, ...]:
        """The causes of an earlier finding, if every one of them explains this one too: one fault, one cause.

        Most of what a broken wallet fails shows the same, and a search for each would take minutes.
        """
        # A flaw that is fitted to what it explains explains something else with other parameters.
        sure = [flaw for flaw in self.fitting if not flaw.made_to_fit and flaw.shown_by is None]
        explaining = {flaw.diagnosis.id for flaw in sure}
        for ids in known:
            if ids <= explaining:
                return _causes(self._plainest_first([flaw for flaw in sure if flaw.diagnosis.id in ids]))
        return ()

    def _searched(self) -> tuple[Cause, ...]:
        left = self._left(self.fitting, self.others)
        if left and self.probe is not None:
            left = self._probed(left)
        left = self._corroborated(left)
        if left or self.steady:
            return _causes(self._plainest_first(left))
        # The same flaws, if they need not show every time.
        unsteady = (flaw for flaw in self.pool if not flaw.steady)
        now_and_then = [flaw for flaw in unsteady if explains(flaw, self.record, occasional=True)]
        left = self._corroborated(self._left(now_and_then, [*self.others, *self.seen[1:]], occasional=True))
        return tuple(replace(cause, occasional=True) for cause in _causes(self._plainest_first(left)))

    def _plainest_first(self, left: list[Flaw]) -> list[Flaw]:
        """Those that take least for granted first: few parameters, and no bet declined for reasons unknown."""
        insisting = [replace(record, insist=True) for record in self.seen]
        left = self._left(left, insisting) or left
        return sorted([flaw for flaw in left if not flaw.made_to_fit] or left, key=assumptions)

    def _corroborated(self, left: list[Flaw]) -> list[Flaw]:
        """Without those that could explain almost anything, unless their plain form was seen at work."""
        broken = [r for r in (*self.seen, *self.others) if r.breach()[0] is not None]
        return [
            flaw
            for flaw in left
            if flaw.shown_by is None or any(explains(flaw.shown_by.of(record), record) for record in broken)
        ]

    def _left(self, flaws_left: list[Flaw], records: Iterable[Record], *, occasional: bool = False) -> list[Flaw]:
        """The flaws that explain every record, but for records of some other fault."""
        for record in records:
            if not flaws_left:
                break
            explaining = [f for f in flaws_left if explains(f.again(record), record, occasional=occasional)]
            # Another broken rule may be the work of some other fault, the same one is not.
            same = record.rule is not None and record.rule == self.record.rule
            if explaining or record.breach()[0] is None or same:
                flaws_left = explaining
        return flaws_left

    def _probed(self, left: list[Flaw]) -> list[Flaw]:
        """Those that further scenarios leave. One that is alone is put to the test as well.

        What is left of a sequence when it was shortened, with amounts of 1, is little evidence: it
        may look like another flaw that is in the catalogue, where the right one is not.
        """
        assert self.probe is not None  # noqa: S101 - causes() has looked
        for scenario in _probes(self.record):
            if scenario in probes.PATIENT and not any(flaw.timed for flaw in left):
                continue
            if len(_causes(left)) == 1 and scenario not in probes.MONEY:
                continue
            performance = self.probe(scenario)
            record = (
                None if performance is None else Record.of(performance, self.record.profile, strict=self.record.strict)
            )
            if record is None:
                continue
            before = self.seen[-1]
            record = replace(record, earlier=before.earlier | before.succeeded)
            self.seen.append(record)
            left = self._left(left, [record])
            if not left:
                break
        return left


def _probes(record: Record) -> Iterator[Scenario]:
    exchange = record.breach()[0]
    if any(e.defect is not None and e.defect.forgery for e in record.exchanges):
        yield from probes.SIGNATURES
    if exchange is not None and exchange.defect is not None and exchange.defect.forgery:
        return
    if len(record.opening.balances) > 1:
        yield from probes.TWO_PLAYERS
    yield from probes.MONEY
    yield from probes.LARGE
    yield from probes.SPELLINGS
    yield from probes.PATIENT
    yield from probes.LAST


def candidates(record: Record) -> Iterator[Flaw]:
    """Every flaw of the catalogue, in the forms worth trying on a record."""
    # Some two hundred classes, which a run that finds nothing need not wait for.
    from pytest_provider_contract.diagnosis import flaws  # noqa: PLC0415

    for flaw in flaws.catalogue():
        yield from flaw.guesses(record)


def assumptions(flaw: Flaw) -> int:
    """How much a flaw takes for granted: itself, and each parameter that had to be fitted."""
    own = fields(flaw)[_OF_THE_LEDGER:]
    return 1 + sum(bool(getattr(flaw, parameter.name) != parameter.default) for parameter in own)


def _causes(found: Iterable[Flaw]) -> tuple[Cause, ...]:
    by_id: dict[str, Cause] = {}
    for flaw in found:
        by_id.setdefault(flaw.diagnosis.id, flaw.diagnosis)
    return tuple(by_id.values())
