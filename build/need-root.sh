#!/bin/sh
# Says what is missing to run: rights, and the programs given.
if [ "$(id -u)" -ne 0 ]; then
	echo "vitrine: this has to be run by root (sudo make …)" >&2
	exit 1
fi
missing=
for program in "$@"; do
	command -v "$program" >/dev/null 2>&1 || missing="$missing $program"
done
if [ -n "$missing" ]; then
	echo "vitrine: to run this, install:$missing" >&2
	exit 1
fi
