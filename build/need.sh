#!/bin/sh
# Says what is missing to build, all at once.
missing=
for program in node npm "${CC:-cc}"; do
	command -v "$program" >/dev/null 2>&1 || missing="$missing $program"
done
if [ -n "$missing" ]; then
	echo "vitrine: to build this, install:$missing (Debian: apt-get install nodejs npm gcc libc6-dev make)" >&2
	exit 1
fi
major=$(node -p 'process.versions.node.split(".")[0]')
if [ "$major" -lt 20 ]; then
	echo "vitrine: Node.js 20 or later is needed to install the build tools; this is $(node --version)" >&2
	exit 1
fi
