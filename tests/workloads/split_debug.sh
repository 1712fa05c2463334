#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# split_debug.sh FILE ROOT: takes FILE's symbols away and puts them to ROOT/.build-id/xx/yyy.debug (as
# Debian's -dbgsym packages have them below /usr/lib/debug) and to ROOT/link/NAME.debug, which the
# .gnu_debuglink in FILE names. A test puts either where a debugger looks.
set -eu
file=$1 root=$2
id=$(readelf -n "$file" | sed -n 's/^ *Build ID: //p')
[ -n "$id" ] || { echo "$file: no build-id" >&2; exit 1; }
rest=${id#??}
debug=$root/.build-id/${id%"$rest"}/$rest.debug
link=$root/link/$(basename "$file").debug
mkdir -p "$(dirname "$debug")" "$root/link"
objcopy --only-keep-debug "$file" "$debug"
cp "$debug" "$link"
strip --strip-all "$file"
objcopy --remove-section=.gnu_debuglink --add-gnu-debuglink="$link" "$file"
