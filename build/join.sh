#!/bin/sh
# One executable file of two: the front, zeros up to AT, the engine. Usage: join.sh FRONT AT ENGINE OUT
set -eu
size=$(wc -c <"$1")
if [ "$size" -gt "$2" ]; then
	echo "join.sh: $1 has $size bytes, and the engine has to begin at $2" >&2
	exit 1
fi
# A new file: the old one may be running.
trap 'rm -f "$4.new"' EXIT
{
	cat "$1"
	head -c $(($2 - size)) /dev/zero
	cat "$3"
} >"$4.new"
chmod 755 "$4.new"
mv "$4.new" "$4"
