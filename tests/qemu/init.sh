#!/bin/busybox sh
# shellcheck shell=dash
# SPDX-License-Identifier: Apache-2.0
# /init of the guest: moves from the initramfs, whose file system is none that programs usually lie on, to a
# tmpfs, and runs guest.sh there as process 1.
/bin/busybox mount -t tmpfs -o size=700m tmpfs /new
cd /
for place in *; do
	[ "$place" = new ] || /bin/busybox cp -a "$place" /new/
done
exec /bin/busybox switch_root /new /bin/busybox sh /guest.sh
