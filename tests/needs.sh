#!/usr/bin/env bash
# needs.sh - install the Debian packages that are missing to build, run, test or lint hookcgi
#
#   tests/needs.sh build|run|test|lint
#
# Says and does nothing when all are there, so that make can call it each time,
# also without a network. A web server that has to be installed is neither
# started nor enabled: the tests start their own, on ports of their own.
set -eu

build="gcc make libc6-dev libfcgi-dev libssl-dev libyajl-dev libconfuse-dev libsqlite3-dev zlib1g-dev libunistring-dev"
run="$build lighttpd curl openssl util-linux"
test="$run bats libcmocka-dev apache2-bin libapache2-mod-fcgid nginx python3 sqlite3 git strace"
lint="$build libcmocka-dev clang clang-format cppcheck shellcheck mandoc"

# Packages that bring a service of the same name.
services="lighttpd nginx"

policy=/usr/sbin/policy-rc.d

# The packages of the arguments that are not installed. One call: it is slow.
missing() {
	local name installed
	installed=$(dpkg-query --show --showformat='${db:Status-Abbrev}${Package}\n' "$@" 2>/dev/null |
		sed -n 's/^.i *//p')
	for name in "$@"; do
		grep -qxF -- "$name" <<<"$installed" || echo "$name"
	done
}

# What runs as root: packages as arguments. policy-rc.d (invoke-rc.d(8)) answers
# 101, "do not start", while the packages are set up.
install_packages() {
	local name
	made=
	# shellcheck disable=SC2317 # called by the trap
	clean() { [ -z "$made" ] || rm -f "$policy"; }
	trap clean EXIT
	if [ ! -e "$policy" ]; then
		made=yes
		printf '#!/bin/sh\nexit 101\n' >"$policy"
		chmod 755 "$policy"
	fi
	export DEBIAN_FRONTEND=noninteractive
	apt-get -q update
	apt-get -q -y --no-install-recommends install "$@"
	for name in $services; do
		case " $* " in
		*" $name "*)
			if command -v systemctl >/dev/null; then
				systemctl --quiet disable "$name" 2>/dev/null || true
			fi
			;;
		esac
	done
}

# Elsewhere than on Debian the packages have other names: whoever builds there knows them.
command -v dpkg-query >/dev/null || exit 0

case ${1:-} in
build) wanted=$build ;;
run) wanted=$run ;;
test) wanted=$test ;;
lint) wanted=$lint ;;
--install) # this script as root, see below
	shift
	install_packages "$@"
	exit
	;;
*)
	echo "usage: $0 build|run|test|lint" >&2
	exit 2
	;;
esac

if ! command -v dpkg-query >/dev/null; then
	echo "$0: this is no Debian; to $1 hookcgi, what these packages hold is needed:" >&2
	echo "  $wanted" >&2
	exit 0
fi

# shellcheck disable=SC2086 # a list of words
mapfile -t absent < <(missing $wanted)
[ ${#absent[@]} -gt 0 ] || exit 0

echo "to $1 hookcgi, these packages are missing and now installed: ${absent[*]}"
if [ "$(id -u)" -eq 0 ]; then
	install_packages "${absent[@]}"
elif command -v sudo >/dev/null; then
	sudo -- "$BASH" "$0" --install "${absent[@]}"
else
	echo "$0: that needs root, and there is no sudo. As root:" >&2
	echo "  apt-get install --no-install-recommends ${absent[*]}" >&2
	exit 1
fi
