#!/usr/bin/env bash
# Installs MCP clients and checks that nobody here wrote into a temporary folder and lets them use this server.
#
#   tests/clients/run.sh PYTHON      PYTHON has kling-mcp installed
#
# What cannot be installed is left out with a reason; a client that is there and fails makes the run fail.
set -euo pipefail

python=$(command -v "${1:?give the Python that has kling-mcp}")
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
unset "${!KLING_@}" # the developer's own settings must not decide the outcome
# shellcheck source=tests/node.sh
. "$here/../node.sh"

fastmcp="fastmcp==4.1.2"
photographs="scikit-image==0.26.0" # a package that ships some; nothing of it is run
photos=(skimage/data/astronaut.png skimage/data/coffee.png)
typescript="TypeScript SDK clients, Inspector, mcp-remote and MCPJam"

install_fastmcp() {
    "$python" -m venv "$work/fastmcp" && "$work/fastmcp/bin/python" -m pip install "$fastmcp"
}

fetch_photographs() {
    "$python" -m pip download --no-deps --only-binary :all: --dest "$work/wheels" "$photographs" &&
        "$python" -c 'import sys, zipfile; zipfile.ZipFile(sys.argv[1]).extractall(sys.argv[2], sys.argv[3:])' \
            "$work"/wheels/scikit_image*.whl "$work" "${photos[@]}"
}

install_node_packages() {
    mkdir "$work/packages" && cp "$here"/package.json "$here"/*.mjs "$work/packages" &&
        (cd "$work/packages" && "${npm[@]}" install --no-audit --no-fund --no-package-lock --ignore-scripts)
}

# The three have nothing to do with each other, and wait for the network.
install_fastmcp >"$work/fastmcp.log" 2>&1 &
fastmcp_pid=$!
fetch_photographs >"$work/photos.log" 2>&1 &
photos_pid=$!
arguments=()
if ! find_node "$python" "$work"; then
    left_out "$typescript" "$node_missing"
elif ! install_node_packages >"$work/npm.log" 2>&1; then
    left_out "$typescript" "npm cannot install them: $(tail -n 3 "$work/npm.log" | paste -sd ' ')"
else
    arguments+=(--node "$work/packages")
fi
if wait "$photos_pid"; then
    photos=("${photos[@]/#/$work/}")
else
    left_out "real photographs" "$photographs cannot be had here; the pictures of the demo stand in"
    photos=("$here"/../../kling_mcp/demo/pictures/*.jpg)
fi
if wait "$fastmcp_pid"; then
    arguments+=(--fastmcp "$work/fastmcp/bin/python")
else
    left_out fastmcp "$fastmcp cannot be installed here: $(tail -n 1 "$work/fastmcp.log")"
fi

"$python" "$here/run_clients.py" "${arguments[@]}" "${photos[@]}"
