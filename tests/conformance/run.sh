#!/usr/bin/env bash
# The official MCP conformance suite against this server: bash tests/conformance/run.sh [--allow-missing]
#
# Runs both protocol eras, the scenarios of the Tasks extension among them, on the real server with test-only
# fixtures beside its tools; then both eras on the server as users have it. Prints the suite's own summary lines.
# Fails unless exactly the scenarios of expected-*.yml fail, the unscored ones included, and unless exactly those of
# without-fixtures.txt pass on the bare server: what is better than these files say must be written into them.
# Needs Node 22.19 or later with npm (see tests/node.sh); everything is installed into a folder that is removed.
set -euo pipefail

here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
suite="@modelcontextprotocol/conformance@0.2.0-alpha.12" # the first that knows both eras and the Tasks extension
eras="2025-11-25 2026-07-28"
python="${VENV:+$VENV/bin/}python3"
allow_missing=no
if [ "${1:-}" = "--allow-missing" ]; then allow_missing=yes; fi

room="$(mktemp -d)"
pids=()
failures=0
trap 'kill "${pids[@]}" 2>/dev/null || true; wait; rm -rf "$room"' EXIT
unset "${!KLING_@}" # the developer's own settings must not decide the outcome
# shellcheck source=tests/node.sh
. "$here/../node.sh"

missing() {
	left_out "the official conformance suite" "$1"
	if [ "$allow_missing" = yes ]; then exit 0; fi
	exit 1
}

# Starts a server that writes into NAME.log; its address stands in url_of afterwards.
serve() {
	local name="$1"
	shift
	KLING_MCP_SANDBOX=1 "$@" >"$room/$name.log" 2>&1 &
	pids+=("$!")
	for _ in $(seq 150); do
		url="$(grep -o -m 1 'http://127\.0\.0\.1:[0-9]*/mcp' "$room/$name.log" || true)"
		if [ -n "$url" ]; then return; fi
		kill -0 "${pids[-1]}" 2>/dev/null || break
		sleep 0.2
	done
	cat "$room/$name.log"
	echo "conformance: the server did not start"
	exit 1
}

# One run of the suite in the background; its output goes to NAME.txt without colours, its exit code to NAME.code.
start() {
	local name="$1"
	shift
	{
		code=0
		(cd "$room" && node suite/node_modules/.bin/conformance server --url "$url" "$@") >"$room/$name.raw" 2>&1 || code=$?
		sed 's/\x1b\[[0-9;]*m//g' "$room/$name.raw" >"$room/$name.txt"
		echo "$code" >"$room/$name.code"
	} &
	runs+=("$!")
}

# Scenarios of a run: `passed` with at least one check, or `failed`.
passed() { sed -n 's/^✓ \([^:]*\): [1-9][0-9]* passed, .*/\1/p' "$room/$1.txt" | sort; }
failed() { sed -n 's/^✗ \([^:]*\): .*/\1/p' "$room/$1.txt" | sort; }

# The suite's own last lines, in one.
summary() { grep -E '^(Total|Passed): |^Baseline check ' "$room/$1.txt" | paste -sd ';' | sed 's/;/; /g'; }

# judge NAME passed|failed: exactly the scenarios on stdin must have done so. Prints the run's line.
judge() {
	if ! diff <(sort) <("$2" "$1") >"$room/$1.diff"; then
		failures=$((failures + 1))
		cat "$room/$1.txt"
		echo "-- the server said:"
		tail -40 "$room/$1.log"
		echo "-- scenarios that should have $2 (<), and that $2 (>):"
		cat "$room/$1.diff"
	fi
	echo "conformance, $1: $(summary "$1"); scenarios: $(passed "$1" | wc -l) passed, $(failed "$1" | wc -l) failed"
}

"$python" -c "import kling_mcp, mcp, uvicorn" 2>/dev/null || missing "$python has no kling_mcp; set VENV to an environment that has it"
find_node "$python" "$room" || missing "$node_missing"
"${npm[@]}" install --loglevel=error --no-audit --no-fund --no-package-lock --ignore-scripts --prefix "$room/suite" "$suite" \
	>"$room/npm.log" 2>&1 || missing "npm cannot install $suite: $(tail -n 3 "$room/npm.log" | paste -sd ' ')"

# Four servers side by side: the scenarios spend their time waiting.
runs=()
for era in $eras; do
	serve "$era with fixtures" "$python" "$here/overlay.py"
	start "$era with fixtures" --requirements "$era" --expected-failures "$here/expected-$era.yml"
	serve "$era without fixtures" "$python" -m kling_mcp serve --transport http --port 0
	start "$era without fixtures" --requirements "$era"
done
wait "${runs[@]}"

for era in $eras; do
	sed -n 's/^  - //p' "$here/expected-$era.yml" | judge "$era with fixtures" failed
	code="$(cat "$room/$era with fixtures.code")"
	if [ "$code" -ne 0 ]; then
		failures=$((failures + 1))
		echo "conformance, $era with fixtures: the suite itself says no (exit $code)"
	fi
done
tasks="$(sed -n 's/^✓ \(tasks-[^:]*: [1-9].*\)/\1/p' "$room/2026-07-28 with fixtures.txt" | paste -sd ';' | sed 's/;/; /g')"
echo "conformance, of them for the Tasks extension: $tasks"
if [ "$(passed "2026-07-28 with fixtures" | grep -c '^tasks-')" -ne 9 ]; then
	failures=$((failures + 1))
	echo "conformance: nine scenarios of the Tasks extension should have passed"
fi
# Most scenarios call fixtures by name, and cannot pass without them.
for era in $eras; do
	sed -n "s/^$era //p" "$here/without-fixtures.txt" | judge "$era without fixtures" passed
done

exit "$((failures > 0))"
