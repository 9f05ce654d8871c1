#!/bin/sh
# The engine of dist/vitrine-asan: the same with a stage built by the compiler's sanitizers. Usage: asan.sh STAGE OUT
set -eu
top=$(cd "$(dirname "$0")/.." && pwd)
copy=$top/dist/asan
rm -rf "$copy" && mkdir -p "$copy"
cp -r "$top/src" "$copy/src"
"$top/node_modules/.bin/bun" "$top/build/generate-stage.ts" "$1" "$copy/src/"
cd "$top"
node_modules/.bin/bun build --compile --bytecode --splitting --format=esm --no-compile-autoload-dotenv --no-compile-autoload-bunfig \
	"$copy/src/main.ts" --outfile "$2"
rm -rf "$copy"
