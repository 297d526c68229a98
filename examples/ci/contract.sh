#!/usr/bin/env bash
# Starts the wallet of this change, plays the contract against it, stops it. Both recipes call this.
# Needs pytest-provider-contract and examples/fastapi_postgres/requirements.txt installed.
set -euo pipefail
wallet=${WALLET:-examples/fastapi_postgres/serve_locally.py}
reward=5d1cf1a1-0b1c-4b7e-8f39-7ed1a1f9a0f4

# A key for this run only: the wallet gets its public half, as it would from the provider.
work=$(mktemp -d)
trap 'kill "$server" 2>/dev/null && wait "$server" || true; rm -rf "$work"' EXIT
openssl genrsa -out "$work/provider.pem" 2048 2>/dev/null
openssl rsa -in "$work/provider.pem" -pubout -out "$work/provider.pub.pem" 2>/dev/null

python "$wallet" --public-key "$work/provider.pub.pem" --port 8000 --reward "$reward" \
    --player alice:session-a:EUR:100000000000 --player bob:session-b:EUR:100000000000 </dev/null >"$work/log" 2>&1 &
server=$!
for _ in $(seq 60); do
    grep -q "listening on" "$work/log" && break
    kill -0 "$server" 2>/dev/null || { cat "$work/log"; exit 1; }
    sleep 1
done

# Only the contract; without --pyargs … the project's own tests would run too.
pytest --pyargs pytest_provider_contract --operator-url=http://127.0.0.1:8000 --operator-key="$work/provider.pem" \
    --operator-player=alice:session-a:EUR --operator-player=bob:session-b:EUR --operator-reward="$reward" \
    --operator-effort="${EFFORT:-standard}" --operator-report=contract-report
