#!/usr/bin/env bash
# Lets the hosts' own command lines validate and install the plugins and the skill, and start the server from them.
#
#   tests/plugins/run.sh PYTHON      PYTHON has kling-mcp installed; it stands in for what uvx would download
#
# Each host gets a home folder that is removed, and no environment. What cannot be installed is left out with a reason;
# a manifest that a host refuses, or a server that does not start from it, makes the run fail.
# shellcheck disable=SC2016,SC2329 # $1 belongs to the script that is written; functions are called by their names
set -euo pipefail

python=$("${1:?give the Python that has kling-mcp}" -c 'import sys; print(sys.executable)')
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# shellcheck source=tests/node.sh
. "$here/../node.sh"

# The check of each, and the package that it needs.
declare -A packages=(
    [skills_ref]="skills-ref@0.1.5"
    [claude]="@anthropic-ai/claude-code@2.1.197"
    [gemini]="@google/gemini-cli@0.61.0"
    [codex]="@openai/codex@0.171.0"
)
failures=0

if ! find_node "$python" "$work"; then
    left_out "the plugins' own hosts" "$node_missing"
    exit 0
fi

# What a host sees of the repository, and a uvx that has downloaded this package already.
"$python" "$here/../../tools/write_plugins.py" "$work/repository"
cp -r "$here/../../skills" "$work/repository"
mkdir -p "$work/bin" "$work/home/.gemini" "$work/home/.codex"
printf '#!/bin/sh\n[ "$1" = kling-mcp ] && shift && exec "%s" -m kling_mcp "$@"\n' "$python" >"$work/bin/uvx"
chmod +x "$work/bin/uvx"
echo '{"privacy": {"usageStatisticsEnabled": false}}' >"$work/home/.gemini/settings.json"
printf '[analytics]\nenabled = false\n' >"$work/home/.codex/config.toml"

# host PROGRAM...: runs it with nothing of the environment, and the answer yes to its first question.
host() {
    (cd "$work/home" && echo y | timeout 60 env -i HOME="$work/home" PATH="$work/bin:$PATH" GEMINI_API_KEY=none \
        CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC=1 DISABLE_AUTOUPDATER=1 node "$work/$1" "${@:2}" 2>&1)
}
# sees WORDS COMMAND...: the command succeeds and prints these words.
sees() {
    local words="$1" said
    shift
    if said=$("$@") && grep -qF -- "$words" <<<"$said"; then return 0; fi
    failures=$((failures + 1))
    printf 'plugins: %s\n%s\n-- should have succeeded and said: %s\n' "$*" "$said" "$words"
}

skills_ref() { host skills_ref/node_modules/skills-ref/dist/cli.js "$@"; }
claude() { host claude/node_modules/@anthropic-ai/claude-code/cli-wrapper.cjs "$@"; }
gemini() { host gemini/node_modules/@google/gemini-cli/bundle/gemini.js "$@"; }
codex() { host codex/node_modules/@openai/codex/bin/codex.js "$@"; }

check_skills_ref() {
    sees "Valid skill" skills_ref validate "$work/repository/skills/kling"
    sees "Valid skill" skills_ref validate "$work/repository/plugins/kling/skills/kling"
}
check_claude() {
    sees "Validation passed" claude plugin validate --strict "$work/repository"
    sees "Validation passed" claude plugin validate --strict "$work/repository/plugins/kling"
    sees "Successfully added" claude plugin marketplace add "$work/repository"
    sees "Successfully installed" claude plugin install kling@kling-mcp
    sees "uvx kling-mcp - ✔ Connected" claude mcp list
}
check_gemini() {
    sees "successfully validated" gemini extensions validate "$work/repository"
    sees "installed successfully" gemini extensions install "$work/repository" --consent --skip-settings
    sees "uvx kling-mcp (stdio) - Connected" gemini mcp list
    sees "kling [Enabled]" gemini skills list
}
check_codex() {
    sees "Added marketplace" codex plugin marketplace add "$work/repository"
    sees "Added plugin" codex plugin add kling@kling-mcp
    sees "command: uvx" codex mcp get kling
}

# check NAME: installs its package and judges; its exit code is whether something was refused.
check() {
    local package="${packages[$1]}"
    if ! "${npm[@]}" install --loglevel=error --no-audit --no-fund --no-package-lock --ignore-scripts \
        --prefix "$work/$1" "$package" >"$work/$1.log" 2>&1; then
        left_out "plugins in $1" "npm cannot install $package: $(tail -n 3 "$work/$1.log" | paste -sd ' ')"
        return 0
    fi
    "check_$1"
    if [ "$failures" -eq 0 ]; then echo "plugins: $package accepts them"; fi
    return "$((failures > 0))"
}

pids=()
for name in "${!packages[@]}"; do
    check "$name" >"$work/$name.said" 2>&1 &
    pids+=("$!")
done
for pid in "${pids[@]}"; do wait "$pid" || failures=$((failures + 1)); done
cat "$work"/*.said
exit "$((failures > 0))"
