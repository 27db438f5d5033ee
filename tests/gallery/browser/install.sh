#!/usr/bin/env bash
# Installs Chromium from the distribution's packages for the gallery in a browser, where that can be done without
# asking. It never fails: without it, run.sh leaves the suite out and says so.
set -u
# shellcheck source=tests/packages.sh
. "$(dirname "${BASH_SOURCE[0]}")/../../packages.sh"
for name in chromium chromium-browser google-chrome; do
	if command -v "$name" >/dev/null; then
		echo "Chromium is installed."
		exit 0
	fi
done
install_packages "the gallery in a browser" chromium
exit 0
