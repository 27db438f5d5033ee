#!/usr/bin/env bash
# The gallery in a real browser, inside the official host bridge: bash tests/gallery/browser/run.sh [PYTHON]
#
# PYTHON has kling-mcp installed; python3 by default. Installs what package.json beside this file names into a
# temporary folder. Where Chromium, Node 22.19 or the packages cannot be had, it says so and succeeds.
# SHOTS=DIR keeps pictures of what was seen.
set -euo pipefail

python=$(command -v "${1:-python3}")
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
unset "${!KLING_@}" # the developer's own settings must not decide the outcome

# shellcheck source=tests/node.sh
. "$here/../../node.sh"

skip() { left_out "the gallery in a browser" "$1"; exit 0; }

chromium=${CHROMIUM:-$(command -v chromium || command -v chromium-browser || command -v google-chrome || true)}
[ -x "$chromium" ] || skip "there is no Chromium here (tests/gallery/browser/install.sh)"
"$chromium" --version >"$work/chromium.log" 2>&1 || skip "$chromium does not run here: $(tail -n 1 "$work/chromium.log")"

find_node "$python" "$work" || skip "$node_missing"

tools=${NODE_TOOLS:-}
if [ -z "$tools" ]; then
	tools=$work/tools
	mkdir "$tools" && cp "$here/package.json" "$tools"
	# esbuild checks its own binary after it is installed; the package that holds the binary comes as it is.
	(cd "$tools" && "${npm[@]}" install --loglevel=error --no-audit --no-fund --no-package-lock --ignore-scripts) >"$work/npm.log" 2>&1 ||
		skip "npm cannot install the packages here: $(tail -n 3 "$work/npm.log" | paste -sd ' ')"
fi

NODE_TOOLS=$tools CHROMIUM=$chromium PYTHON=$python node "$here/run.mjs"
