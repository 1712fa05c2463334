# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh disable=SC2034
# What the shell tests share; sourced.

# Where what is slow to make is kept: kernels, root file systems.
cache=${PROFD_TEST_CACHE:-${XDG_CACHE_HOME:-/var/cache}/profd-tests}

# skip REASON: exit status 77; a failure where everything is required.
skip() {
	echo "skipped: $*"
	[ "${PROFD_REQUIRE_KERNEL:-0}" = 1 ] && exit 1
	exit 77
}

fail() {
	echo "FAIL: $*"
	exit 1
}

need() {
	for tool; do
		command -v "$tool" >/dev/null || skip "no $tool"
	done
}

# need_plain PROGRAM...: AddressSanitizer wants more address space than a guest has.
need_plain() {
	for program; do
		if ldd "$program" 2>/dev/null | grep -q 'lib[at]san'; then
			skip "$program is a sanitizer build"
		fi
	done
}

# copy_with_libraries ROOT PROGRAM PLACE: into ROOT at PLACE, with the shared libraries and the loader.
copy_with_libraries() {
	mkdir -p "$1$(dirname "$3")"
	cp "$2" "$1$3"
	ldd "$2" 2>/dev/null | grep -o '/[^ )]*' | while read -r library; do
		[ -e "$1$library" ] && continue
		mkdir -p "$1$(dirname "$library")"
		cp -L "$library" "$1$library"
	done
}
