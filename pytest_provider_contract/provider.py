"""The provider: plays scenarios against a wallet and judges what comes back."""

from __future__ import annotations

import time
import uuid
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace

from pytest_provider_contract.callbacks import Callback, new_id, now
from pytest_provider_contract.checks import Violation
from pytest_provider_contract.client import TRIES_IF_IDLE, Envelope, Letter, OperatorClient, OperatorGoneError
from pytest_provider_contract.funds import NOMINAL_STAKE
from pytest_provider_contract.history import UNKNOWN_PLAYER, Defect, Exchange, Player
from pytest_provider_contract.ledger import ERRORS, Ledger, State
from pytest_provider_contract.profile import Kind, Status
from pytest_provider_contract.scenario import FORGERY_RULES, Damage, Reward, Scenario, Step
from pytest_provider_contract.signing import Forgery
from pytest_provider_contract.verdict import Judge, opening_balance

# Rules of these chapters are tested by every callback.
_OF_EVERY_REPLY = ("REPLY", "TIME")
# These are about several callbacks at once: one of them must have succeeded.
_OF_WHOLE_HISTORIES = ("RACE", "LOST")
# How often and after how many milliseconds the provider retries what was lost.
_SETTLEMENTS = 8
_SETTLING_MS = (0, 20, 50, 100, 200, 400)
# An attempt that no scenario uses.
_TIDYING = 1_000_000
# A reply that took longer would take as long again.
_HANGING_MS = 1_000
# After a violation so many steps are still worth sending.
_SHORT_REST = 12


@dataclass(frozen=True, slots=True)
class Performance:
    """A scenario as it went.

    Attributes:
        scenario: What was played, up to its end or its first violation.
        exchanges: All that was sent, probes included.
        steps: Per exchange the index of its step; -1 before the first, and the number of
            steps for the closing probes.
        violation: The first broken rule, or None.
        exercised: How often each rule was put to the test and held.
        advisory: SHOULD rules that were not followed.
        balances: Minor units per player index, as last known.
        tested: Whether the scenario's own rule was put to the test.
        declined: Steps whose bets could be paid and were declined without a good reason.
        limited: How many bets were declined by a limit of the operator's own.
        ledger: The money rules it was judged by; None when no balance could be read.
        opening: What the wallet held before the first step, likewise.
        states: What the wallet may hold at the end; empty after a violation.
        aftermath: What followed an answer that the ledger does not explain, unjudged: the rest of a
            short scenario, and every player's balance. Was the reply wrong, or the money?
        order: Indexes of `exchanges` in an order that explains the answers, as far as there is one.
        undecided: Whether the search for an order gave up; that proves nothing.
    """

    scenario: Scenario
    exchanges: tuple[Exchange, ...]
    steps: tuple[int, ...]
    violation: Violation | None
    exercised: Counter[str]
    advisory: frozenset[str]
    balances: dict[int, int]
    tested: bool = True
    declined: frozenset[int] = frozenset()
    limited: int = 0
    ledger: Ledger | None = None
    opening: State | None = None
    states: tuple[State, ...] = ()
    aftermath: tuple[Exchange, ...] = ()
    order: tuple[int, ...] = ()
    undecided: bool = False

    @property
    def position(self) -> int:
        """Index of the step that showed the violation; the number of steps for a closing probe."""
        return self.steps[-1]

    @property
    def hangs(self) -> bool:
        """Whether its last answer took so long that nothing is gained by waiting for it again."""
        return self.exchanges[-1].elapsed_ms > _HANGING_MS

    @property
    def is_declined(self) -> bool:
        """Whether its rule was not put to the test because bets were declined."""
        return not self.tested and bool(self.declined or self.limited)

    @property
    def is_cut_off(self) -> bool:
        """Whether its rule was not put to the test because a connection was closed in place of a reply."""
        return not self.tested and any(exchange.reply.idle for exchange in self.exchanges)

    def shown(self) -> Scenario:
        """Its scenario up to the step that showed the violation."""
        if self.violation is None:
            return self.scenario
        return replace(self.scenario, steps=self.scenario.steps[: self.position + 1])

    def up_to(self, position: int) -> Performance:
        """It as if it had ended with a step."""
        count = self.steps.index(position) + 1
        order = tuple(index for index in self.order if index < count)
        return replace(self, exchanges=self.exchanges[:count], steps=self.steps[:count], order=order)


@dataclass(slots=True)
class Provider:
    """Plays the provider for some of an operator's players.

    Args:
        client: Signs and sends.
        players: The operator's test players.
        rewards: Free-bet rewards granted to them.
        games: Games that the wallet knows; without any, every scenario's game is new.

    Attributes:
        known: Balance per player index that the last play ended with; the next one starts
            from it without asking again.
        thrifty: Whether a scenario whose last replies told the money ends without asking for it:
            the next one's first reply shows whether they told the truth.
    """

    client: OperatorClient
    players: tuple[Player, ...]
    rewards: tuple[str, ...] = ()
    games: tuple[str, ...] = ()
    known: dict[int, int] = field(default_factory=dict)
    thrifty: bool = False

    def play(self, scenario: Scenario, *, hold: bool = False) -> Performance:
        """Send every step, judge every answer, and end with a probe of every player's money.

        Args:
            scenario: What to play.
            hold: Whether bets that it leaves open stay so, unless something went wrong.

        Raises:
            OperatorGoneError: The operator stopped answering.
        """
        return _Play(self, scenario, hold=hold).run()

    def balance(self, index: int = 0) -> Performance:
        """Ask for one player's balance and judge the answer."""
        self.known.pop(index, None)
        return self.play(Scenario((), (Step(Kind.BALANCE, player=index),)))

    def game(self, *, another: bool = False) -> str:
        """The gameId to name, or another one than that."""
        given = self.games[another : another + 1]
        return given[0] if given else new_id()

    def currency(self, index: int) -> str:
        """A player's currency; told by the operator's first balance where the options did not."""
        return self.players[index].currency or "XXX"


class _Play:
    """One run of one scenario: the minted ids and the judge live as long as it."""

    def __init__(self, provider: Provider, scenario: Scenario, *, hold: bool = False) -> None:
        self.provider = provider
        self.hold = hold
        self.scenario = scenario
        self.minted: dict[tuple[object, ...], str] = {}
        self.stakes: dict[int, int] = {}
        self.closing: dict[str, bool] = {}
        self.steps: list[int] = []
        self.exchanges: list[Exchange] = []
        self.judge: Judge | None = None
        self.aftermath: list[Exchange] = []
        self.played = 0

    def run(self) -> Performance:
        try:
            return self._run()
        except OperatorGoneError:
            # In the middle of it: nobody knows what the wallet holds, and no bet should stay open.
            for index in range(self.scenario.players):
                self.provider.known.pop(index, None)
            self._tidy(max(self.steps, default=-1) + 1)
            raise

    def _run(self) -> Performance:
        involved = range(self.scenario.players)
        violation = self._open(involved)
        if violation is None:
            for group in self.scenario.groups():
                if violation := self._take(group):
                    break
            else:
                violation = self._settle_lost() or self._probe(involved)
        if violation is not None and self.judge is not None and self.judge.ledger_violation:
            self._go_on(involved)
        performance = self._performance(violation)
        if violation is not None or not self.hold:
            self._tidy(max(performance.position + 1, self.played))
        return performance

    def _go_on(self, involved: range) -> None:
        """Send the rest, one after the other, for whoever wants to know why."""
        rest = list(enumerate(self.scenario.steps))[self.steps[-1] + 1 :]
        if len(rest) > _SHORT_REST or any(step.wait_ms or step.fault for _, step in rest):
            rest = []
        looks = [(-1, Step(Kind.BALANCE, player=index)) for index in involved]
        client = self.provider.client
        with suppress(OperatorGoneError):  # what was found out before still counts
            for number, step in [*rest, *looks]:
                letter = self._letter(step, number)
                self.aftermath.append(client.send(letter.callback, letter.envelope, letter.defect))
                self.played = max(self.played, number + 1)

    def _tidy(self, reached: int) -> None:
        """Roll back what the steps so far left open, so that no try costs a player money for good."""
        open_bets: set[int] = set()
        settled: set[int] = set()
        for step in self.scenario.steps[:reached]:
            own = step.player is None and step.forgery is None and step.damage is None and step.conflict != "bet"
            if step.bet is None or not own or step.of_win:
                continue
            if step.send is Kind.BET and step.bet not in settled:
                open_bets.add(step.bet)
            elif step.send is Kind.WIN:
                settled.add(step.bet)
            if step.send is not Kind.BET:
                open_bets.discard(step.bet)
        for index in sorted(open_bets):
            refund = self._callback(Step(Kind.ROLLBACK, index, attempt=_TIDYING))
            self.provider.known.pop(self.scenario.bets[index].player, None)
            with suppress(OperatorGoneError):  # what was found out before still counts
                if self.provider.client.send(refund).reply.idle:
                    self.provider.client.send(refund)

    def _open(self, involved: range) -> Violation | None:
        provider = self.provider
        balances = {}
        for index in involved:
            if index not in provider.known:
                answer = opening_balance(self._asked(index), provider.client.profile)
                if isinstance(answer, Violation):
                    return answer
                self._learn_currency(index, answer.currency)
                provider.known[index] = answer.balance or 0
            balances[provider.players[index].player_id] = provider.known[index]
        currencies = {provider.players[i].player_id: provider.currency(i) for i in involved}
        ledger = Ledger(currencies, frozenset(provider.rewards), provider.client.profile.either)
        self.judge = Judge(ledger, provider.client.profile, State(balances))
        return None

    def _asked(self, index: int) -> Exchange:
        """A player's balance before the first step; asked again where an idle connection was closed."""
        for _ in range(TRIES_IF_IDLE):
            exchange = self._send(-1, self._letter(Step(Kind.BALANCE, player=index)))
            if not exchange.reply.idle:
                break
        return exchange

    def _learn_currency(self, index: int, currency: str | None) -> None:
        player = self.provider.players[index]
        if player.currency is None and currency is not None:
            told = replace(player, currency=currency)
            self.provider.players = tuple(told if p.player_id == player.player_id else p for p in self.provider.players)

    def _take(self, group: range) -> Violation | None:
        """Send the steps of a group at the same time."""
        steps = self.scenario.steps[group.start : group.stop]
        if wait_ms := max(step.wait_ms for step in steps):
            time.sleep(wait_ms / 1000)
        if len(steps) == 1:
            return self._send_alone(group.start, steps[0])
        letters = [self._letter(step, position) for position, step in zip(group, steps, strict=True)]
        exchanges = self.provider.client.send_together(letters)
        self.exchanges += exchanges
        self.steps += group
        return self._judged(exchanges, group.stop - 1)

    def _send_alone(self, position: int, step: Step) -> Violation | None:
        if step.forgery is Forgery.REUSED:
            # Within the same millisecond the body could be the same, and the signature right.
            time.sleep(0.002)
        for _ in range(TRIES_IF_IDLE):
            letter = self._letter(step, position)
            if step.forgery is Forgery.REUSED:
                # What a wallet trusts once more may be the signature, or the request that it came with.
                request_id = self._latest_request_id() or letter.callback.request_id
                letter = replace(letter, callback=replace(letter.callback, request_id=request_id))
            exchange = self._send(position, letter)
            if (violation := self._judged((exchange,), position)) is not None:
                return violation
            if not exchange.reply.idle or step.fault:
                return None
        # Fresh connections do not count as idle, so this is out of reach for an honest transport.
        return Violation("REPLY-01", "a reply", "every connection was closed without one")

    def _letter(self, step: Step, position: int = -1) -> Letter:
        callback = self._callback(step, position)
        envelope, defect = _dress(step, self.provider.client, callback)
        return Letter(callback, envelope, defect, step.fault)

    def _judged(self, exchanges: Sequence[Exchange], position: int) -> Violation | None:
        assert self.judge is not None  # noqa: S101 - _open() comes first
        if self.judge.undecided:
            return None
        violation = self.judge.see(exchanges[0]) if len(exchanges) == 1 else self.judge.see_together(exchanges)
        return None if violation is None else self._attributed(violation, position)

    def _settle_lost(self) -> Violation | None:
        """Do what the provider does about callbacks whose replies were lost, until they can't move money any more.

        A bet is rolled back, a win or a rollback retried [T].
        """
        assert self.judge is not None  # noqa: S101 - _open() comes first
        position = len(self.scenario.steps)
        for number in range(_SETTLEMENTS):
            if self.judge.undecided or not (unsettled := self.judge.unsettled()):
                break
            time.sleep(_SETTLING_MS[min(number, len(_SETTLING_MS) - 1)] / 1000)
            for callback in unsettled:
                retry = replace(callback, request_id=new_id(), timestamp=now())
                # The bet once more makes sure that it arrives, where its rollback was refused before.
                if callback.kind is Kind.ROLLBACK or (callback.kind is Kind.BET and number % 2 == 0):
                    retry = _rolled_back(retry)
                if violation := self._judged((self._send(position, Letter(retry)),), position):
                    return violation
        return None

    def _attributed(self, violation: Violation, position: int) -> Violation:
        assert self.judge is not None  # noqa: S101 - _open() comes first
        rule, steps = self.scenario.rule, self.scenario.steps
        focus = next((i for i, step in enumerate(steps) if step.focus), None)
        if rule is None or focus is None or not self.judge.ledger_violation:
            return violation
        # A probe tells of the step before it.
        while position >= len(steps) or (position > focus and steps[position].send is Kind.BALANCE):
            position -= 1
        return replace(violation, rule=rule) if position >= focus else violation

    def _probe(self, involved: range) -> Violation | None:
        probed = len(self.scenario.steps)
        if self.scenario.is_plain and self._ends_with_balances() >= set(involved):
            return None  # asking once more would tell nothing new
        if self.provider.thrifty and self._is_certain():
            return None
        for index in involved:
            if violation := self._send_alone(probed, Step(Kind.BALANCE, player=index)):
                return violation
        return None

    def _is_certain(self) -> bool:
        assert self.judge is not None  # noqa: S101 - _open() comes first
        first, *others = self.judge.states
        return all(state.balances == first.balances for state in others)

    def _ends_with_balances(self) -> set[int | None]:
        """The players whose money the scenario's own last steps ask for."""
        asked: set[int | None] = set()
        for step in reversed(self.scenario.steps):
            if step.send is not Kind.BALANCE or step.together or step.forgery is not None or step.damage is not None:
                break
            asked.add(step.player)
        return asked

    def _send(self, position: int, letter: Letter) -> Exchange:
        exchange = self.provider.client.send(letter.callback, letter.envelope, letter.defect, letter.fault)
        self.exchanges.append(exchange)
        self.steps.append(position)
        return exchange

    def _performance(self, violation: Violation | None) -> Performance:
        provider, judge = self.provider, self.judge
        exercised: Counter[str] = Counter()
        advisory: frozenset[str] = frozenset()
        balances: dict[int, int] = {}
        tested = False
        if judge is not None:
            exercised, advisory = judge.exercised, judge.advisory
            if violation is None and not judge.undecided:
                balances = self._agreed_balances(judge)
                tested = self._is_tested(judge)
                rule = self.scenario.rule
                if tested and rule and (self.scenario.via or rule.startswith(_OF_WHOLE_HISTORIES)):
                    exercised[rule] += 1
        # After a violation nobody knows what the wallet holds: the next play asks.
        for index in range(self.scenario.players):
            provider.known.pop(index, None)
        provider.known.update(balances)
        return Performance(
            self.scenario,
            tuple(self.exchanges),
            tuple(self.steps),
            violation,
            exercised,
            advisory,
            balances,
            tested,
            self._declined(judge) if judge else frozenset(),
            judge.limited if judge else 0,
            judge.ledger if judge else None,
            judge.state if judge else None,
            tuple(judge.states) if judge and violation is None else (),
            tuple(self.aftermath),
            self._order(judge) if judge else (),
            judge is not None and judge.undecided,
        )

    def _declined(self, judge: Judge) -> frozenset[int]:
        opening = len(self.exchanges) - len(judge.seen)
        return frozenset(self.steps[opening + index] for index in judge.declined)

    def _order(self, judge: Judge) -> tuple[int, ...]:
        opening = len(self.exchanges) - len(judge.seen)
        return (*range(opening), *(index + opening for index in judge.order))

    def _agreed_balances(self, judge: Judge) -> dict[int, int]:
        """The balances that all explanations agree on; of the others nobody knows."""
        agreed = {}
        for index in range(self.scenario.players):
            held = {state.balances[self.provider.players[index].player_id] for state in judge.states}
            if len(held) == 1:
                agreed[index] = held.pop()
        return agreed

    def _is_tested(self, judge: Judge) -> bool:
        """Whether a step in focus met one of the ledger's rules that the scenario is after."""
        wanted = self.scenario.via or (self.scenario.rule,)
        if wanted[0] is None or wanted[0].startswith(_OF_EVERY_REPLY):
            return True
        opening = len(self.exchanges) - len(judge.seen)
        focused = [
            i - opening
            for i, position in enumerate(self.steps)
            if 0 <= position < len(self.scenario.steps) and self.scenario.steps[position].focus
        ]
        if wanted[0].startswith(_OF_WHOLE_HISTORIES):
            met = {judge.statuses.get(i) for i in focused}
            if wanted[0].startswith("LOST") and Status.DUPLICATE in met:
                return True  # the retry of a bet that has happened, in one of the two ways to say so
            # A wallet may decline a bet because it is busy with another one, and is right to do so.
            return Status.SUCCESS in met and (wanted[0] != "RACE-04" or bool(met & ERRORS))
        # A bet in focus is one that must be accepted where the scenario sends it.
        is_declined = not set(focused).isdisjoint(judge.declined)
        return not is_declined and not {judge.step_rules[i] for i in focused}.isdisjoint(wanted)

    # -- minting --------------------------------------------------------------------------------

    def _callback(self, step: Step, position: int = -1) -> Callback:
        plan = None if step.bet is None else self.scenario.bets[step.bet]
        index = step.player if step.player is not None else plan.player if plan else 0
        player = self._player(index)
        ordinary = Callback(step.send, new_id(), player.player_id, player.session_id, now())
        if plan is None or step.bet is None:
            return ordinary
        reward: Reward | None = plan.reward
        if step.conflict == "free":
            reward = None if reward else "granted"
        about = replace(
            ordinary,
            transaction_id=self._transaction_id(step),
            reference_id=None if step.send is Kind.BET else self._reference_id(step),
            # Players of one table share its rounds.
            round_id=self._mint("round", plan.round if step.conflict != "round" else "another"),
            game_id=self._game(another=step.conflict == "game"),
            round_closed=None if step.send is Kind.BET else self._closes(step, position),
            is_free=True if reward else None,
            reward_id=self._reward(reward) if reward else None,
        )
        if step.send is Kind.ROLLBACK:
            return about
        amount = self._stake(step.bet) if step.send is Kind.BET else plan.win
        owner = self.provider.currency(index if index != UNKNOWN_PLAYER else 0)
        return replace(about, amount=_amount(step, amount, free=bool(reward)), currency=owner)

    def _player(self, index: int) -> Player:
        if index == UNKNOWN_PLAYER:
            # The session is a known one: it must not stand in for the player.
            return Player(self._mint("unknown player"), self.provider.players[0].session_id)
        return self.provider.players[index]

    def _latest_request_id(self) -> str | None:
        sound = (e.callback.request_id for e in reversed(self.exchanges) if e.defect is None)
        return next(sound, None)

    def _mint(self, *label: object) -> str:
        return self.minted.setdefault(label, new_id())

    def _game(self, *, another: bool) -> str:
        return self.minted.setdefault(("game", another), self.provider.game(another=another))

    def _transaction_id(self, step: Step) -> str:
        if step.send is Kind.ROLLBACK:
            # Whoever else sends one, or one that names something else, has an id of its own.
            return self._mint(Kind.ROLLBACK, step.bet, step.attempt, step.player, step.of_win)
        return self._mint(step.send, step.bet)

    def _reference_id(self, step: Step) -> str:
        if step.conflict == "bet":
            return self._mint(Kind.BET, "another")
        if step.conflict == "next bet" and step.bet is not None:
            return self._mint(Kind.BET, step.bet + 1)
        return self._mint(Kind.WIN if step.of_win else Kind.BET, step.bet)

    def _closes(self, step: Step, position: int) -> bool:
        # A replay says what the original said.
        return self.closing.setdefault(self._transaction_id(step), self.scenario.closes(position))

    def _reward(self, reward: str) -> str:
        granted = self.provider.rewards
        if not granted:
            return self._mint("reward")
        # An unknown one is a granted one but for its last digit, which a careful comparison tells apart.
        return granted[0] if reward == "granted" else _another(granted)

    def _stake(self, bet: int) -> int:
        plan = self.scenario.bets[bet]
        if not plan.of_balance:
            return plan.stake
        if bet not in self.stakes:
            assert self.judge is not None  # noqa: S101 - _open() comes first
            owner = self.provider.players[plan.player].player_id
            most = max(state.balances[owner] for state in self.judge.states)
            self.stakes[bet] = max(most + plan.stake, 0)
        return self.stakes[bet]


def _amount(step: Step, amount: int, *, free: bool) -> int:
    """What a bet or win names in place of its amount where its content is another."""
    match step.conflict:
        case "amount":
            return amount + 1
        case "lower amount":
            return amount // 2
        case "free":
            return 0 if free else amount or NOMINAL_STAKE
        case _:
            return amount


# Fields that name a request or a transaction.
_NEW_IDS = ("requestId", "transactionId", "referenceTransactionId")


def _dress(step: Step, client: OperatorClient, callback: Callback) -> tuple[Envelope, Defect | None]:
    envelope = Envelope(step.spelling, step.forgery, step.header_case)
    damage = step.damage
    if damage is not None and damage.field is None:
        defect = Defect(damage.rule, "unreadable", forgery=step.forgery)
        return replace(envelope, raw=_spoiled(damage, client.encode(callback))), defect
    if step.forgery is not None:
        return envelope, Defect(FORGERY_RULES[step.forgery], "forged", forgery=step.forgery)
    if damage is None:
        return envelope, None
    name = damage.field or ""
    return replace(envelope, changes={name: _unused(damage, callback)}), Defect(damage.rule, "field", name, damage.json)


def _another(rewards: Sequence[str]) -> str:
    """A reward that is none of these, whatever the letter case; there are fewer of them than digits or it is new."""
    granted = {known.lower() for known in rewards}
    alike = (rewards[0][:-1] + digit for digit in "0123456789abcdef")
    return next((reward for reward in alike if reward.lower() not in granted), new_id())


def _unused(damage: Damage, callback: Callback) -> str | None:
    """What a damaged field holds; an id is new in every request, also one of another type.

    A wallet may answer a known requestId with the reply it has stored, and one that takes whatever
    comes for a transactionId knows a transaction by it from then on.
    """
    text = damage.json
    if damage.field not in _NEW_IDS or text in (None, '""'):
        return text
    for end in ('"', '"}', '"]'):
        if text.endswith(end):
            return f"{text.removesuffix(end)}-{callback.request_id}{end}"
    return f"{text}{uuid.UUID(callback.request_id).int % 10**10:010}" if text.isdecimal() else text


def _rolled_back(callback: Callback) -> Callback:
    """The rollback of a bet, or a new one instead of a rollback whose reply was lost."""
    bet_id = callback.transaction_id if callback.kind is Kind.BET else callback.reference_id
    return replace(
        callback,
        kind=Kind.ROLLBACK,
        transaction_id=new_id(),
        reference_id=bet_id,
        amount=None,
        currency=None,
        round_closed=True,
    )


def _spoiled(damage: Damage, body: bytes) -> bytes:
    return body[: len(body) // 2] if damage.cut else (damage.raw or "").encode("latin-1")
