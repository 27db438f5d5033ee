#!/usr/bin/env bash
# Packs the desktop bundle with the official tool, and starts what it holds as a host does.
#
#   tests/bundle/run.sh PYTHON [FILE]      PYTHON has kling-mcp installed; the bundle is kept as FILE
#
# What cannot be installed is left out with a reason; a bundle that is not valid or does not start makes the run fail.
set -euo pipefail

python=$("${1:?give the Python that has kling-mcp}" -c 'import sys; print(sys.executable)')
kept=${2:-}
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
unset "${!KLING_@}" # the developer's own settings must not decide the outcome
# shellcheck source=tests/node.sh
. "$here/../node.sh"

mcpb="@anthropic-ai/mcpb@2.1.2"
uv="uv==0.11.2"

missing() {
    left_out "the desktop bundle" "$1"
    exit 0
}

"$python" -m venv "$work/uv" >"$work/uv.log" 2>&1 && "$work/uv/bin/python" -m pip install "$uv" >>"$work/uv.log" 2>&1 &
uv_pid=$!
find_node "$python" "$work" || missing "$node_missing"
mkdir "$work/node" && cp "$here/hosts.mjs" "$work/node"
"${npm[@]}" install --loglevel=error --no-audit --no-fund --no-package-lock --ignore-scripts --prefix "$work/node" "$mcpb" \
    >"$work/npm.log" 2>&1 || missing "npm cannot install $mcpb: $(tail -n 3 "$work/npm.log" | paste -sd ' ')"

cli() { node "$work/node/node_modules/@anthropic-ai/mcpb/dist/cli/cli.js" "$@"; }

"$python" "$here/../../tools/write_bundle.py" "$work/folder"
cli validate "$work/folder" >"$work/validate.log" || { cat "$work/validate.log"; exit 1; }
cli pack "$work/folder" "$work/kling-mcp.mcpb" >"$work/pack.log" || { cat "$work/pack.log"; exit 1; }
cli unpack "$work/kling-mcp.mcpb" "$work/unpacked" >"$work/unpack.log" || { cat "$work/unpack.log"; exit 1; }
diff -r "$work/folder" "$work/unpacked" # the tool leaves out what it takes for rubbish
echo "bundle: $(sed -n 's/^package size: //p' "$work/pack.log") packed, valid by $mcpb"
if [ -n "$kept" ]; then cp "$work/kling-mcp.mcpb" "$kept"; fi

if ! wait "$uv_pid"; then
    left_out "the start of the desktop bundle" "$uv cannot be installed: $(tail -n 1 "$work/uv.log")"
    exit 0
fi
PATH="$work/uv/bin:$PATH" UV_PYTHON="$python" UV_PYTHON_DOWNLOADS=never UV_CACHE_DIR="$work/uv-cache" \
    "$python" "$here/smoke.py" "$work/unpacked" "$work/node"
