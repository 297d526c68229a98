-- The wallet's books. Running this file again changes nothing.
--
-- The application decides, the constraints make sure: no sequence of statements, however wrong,
-- can overdraw a player, debit a bet twice or pay for a bet twice.

CREATE TABLE IF NOT EXISTS players (
    player_id text PRIMARY KEY,
    currency text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    balance bigint NOT NULL CHECK (balance >= 0)
);

CREATE TABLE IF NOT EXISTS sessions (
    player_id text NOT NULL REFERENCES players,
    session_id text NOT NULL,
    PRIMARY KEY (player_id, session_id)
);

CREATE TABLE IF NOT EXISTS rewards (
    reward_id text PRIMARY KEY
);

-- One row for each bet, from the first callback that needs it until for ever: a refunded or declined
-- bet stays as a tombstone, a bet whose win came first has its row before it arrives itself.
CREATE TABLE IF NOT EXISTS bets (
    bet_id text PRIMARY KEY,
    player_id text NOT NULL REFERENCES players,
    round_id text NOT NULL,
    game_id text NOT NULL,
    state text NOT NULL CHECK (state IN ('paid_ahead', 'open', 'settled', 'refunded', 'declined')),
    -- What the bet took from the balance; nothing if it was free, declined or is not here yet.
    stake bigint NOT NULL CHECK (stake >= 0),
    CHECK (stake = 0 OR state IN ('open', 'settled', 'refunded')),
    UNIQUE (bet_id, player_id)
);

-- One row for each callback that was carried out, and for each bet that was declined. Never updated.
CREATE TABLE IF NOT EXISTS transactions (
    transaction_id text PRIMARY KEY,
    kind text NOT NULL CHECK (kind IN ('bet', 'win', 'rollback')),
    bet_id text NOT NULL,
    player_id text NOT NULL,
    request_id text NOT NULL,
    content text NOT NULL,
    status text NOT NULL,
    delta bigint NOT NULL,
    balance_after bigint NOT NULL CHECK (balance_after >= 0),
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- Nobody's transaction names another player's bet.
    FOREIGN KEY (bet_id, player_id) REFERENCES bets (bet_id, player_id),
    CHECK ((kind = 'bet') = (transaction_id = bet_id)),
    CHECK (CASE kind WHEN 'bet' THEN delta <= 0 ELSE delta >= 0 AND status = 'SUCCESS' END),
    CHECK (status = 'SUCCESS' OR delta = 0)
);

-- A bet is won once, and money comes back for it once: as a win or as a refund.
CREATE UNIQUE INDEX IF NOT EXISTS one_win_for_a_bet ON transactions (bet_id) WHERE kind = 'win';
CREATE UNIQUE INDEX IF NOT EXISTS one_payment_for_a_bet ON transactions (bet_id) WHERE delta > 0;
-- For support: the history of a player, the bets of a stuck round.
CREATE INDEX IF NOT EXISTS history_of_a_player ON transactions (player_id, created_at);
CREATE INDEX IF NOT EXISTS bets_of_a_round ON bets (round_id);
