# What suites need from outside, and what is left out without it. Sourced, not run.
#
#   left_out SUITE REASON           says so, in the words that `tell_left_out` looks for
#   tell_left_out LOG               says it of a whole run, in one line
#   root COMMAND...                 runs it as root, and fails where that needs a password
#   install_packages SUITE NAME...  installs the distribution's packages, where that can be done without asking;
#                                   never fails: what cannot be had is left out
# shellcheck shell=bash

left_out() { printf 'left out: %s: %s\n' "$1" "$2"; }

tell_left_out() {
	local all
	all=$(sed -n 's/^left out: //p' "$1" 2>/dev/null | sort -u | sed ':join; N; $!b join; s/\n/; /g')
	printf 'left out: %s\n' "${all:-none}"
}

root() {
	if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo -n "$@"; fi
}

install_packages() {
	local suite="$1" name
	shift
	if [ "$#" -eq 0 ]; then return 0; fi
	if ! command -v apt-get >/dev/null; then
		left_out "$suite" "there is no apt-get here to install $* with"
		return 0
	fi
	if ! root true 2>/dev/null; then
		left_out "$suite" "$* cannot be installed without root"
		return 0
	fi
	root apt-get -qq update </dev/null || true
	for name in "$@"; do
		root env DEBIAN_FRONTEND=noninteractive \
			apt-get -qq install -y --no-install-recommends "$name" </dev/null ||
			left_out "$suite" "the package $name cannot be installed"
	done
}
