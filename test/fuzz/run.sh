#!/bin/sh
# Fuzzes the stage: test/fuzz/run.sh [SECONDS]. Exits non-zero on a crash; the input is then kept.
# Two targets, SECONDS each: the decoder, and the executor on a made-up kernel. FUZZ_TARGETS picks; FUZZ_FLAGS go to the compiler.
set -eu
cd "$(dirname "$0")/../.."
seconds=${1:-60}
work=${FUZZ_DIR:-dist/fuzz}

missing=
command -v clang >/dev/null || missing="clang libclang-rt-14-dev"
if [ -z "$missing" ]; then
	rt=$(clang -fsanitize=fuzzer -print-file-name=libclang_rt.fuzzer-"$(uname -m)".a)
	[ -e "$rt" ] || [ -e "$(clang -print-resource-dir)/lib/linux/libclang_rt.fuzzer-$(uname -m).a" ] ||
		missing="libclang-rt-$(clang -dumpversion | cut -d. -f1)-dev"
fi
if [ -n "$missing" ]; then
	echo "test/fuzz/run.sh: missing: apt-get install $missing" >&2
	exit 2
fi
bun=node_modules/.bin/bun
[ -x $bun ] || { echo "test/fuzz/run.sh: missing: $bun (make node_modules)" >&2; exit 2; }

mkdir -p "$work/crashes" "$work/seeds"
$bun test/fuzz/seed.ts "$work/seeds"

# A copy of the stage whose system calls are a function that the target brings along.
rm -rf "$work/stage"
cp -r stage "$work/stage"
sed -i -e 's/static inline i64 sys6(/static inline i64 real_sys6(/' \
	-e 's/^struct timespec64 {/i64 sys6(i64 nr, i64 a, i64 b, i64 c, i64 d, i64 e, i64 f);\n&/' "$work/stage/sys.h"

flags="-std=gnu11 -g -O1 -Wall -Wextra -Werror -DSTAGE_HOSTED -fno-builtin -fsanitize=fuzzer,address,undefined
	-fno-sanitize-recover=all ${FUZZ_FLAGS:-}"
clang $flags -Istage test/fuzz/decode.c stage/wire.c -o "$work/decode"
clang $flags -Wno-unused-function -DMUTATOR_ONLY -I"$work/stage" test/fuzz/execute.c test/fuzz/decode.c \
	$(ls "$work"/stage/*.c | grep -v '/stage\.c$') -o "$work/execute"

for target in ${FUZZ_TARGETS:-decode execute}; do
	mkdir -p "$work/$target.corpus"
	echo "== $target: $seconds s"
	"$work/$target" -max_total_time="$seconds" -max_len=131072 -len_control=0 -timeout=10 -rss_limit_mb=1024 -print_final_stats=1 \
		-artifact_prefix="$work/crashes/$target-" "$work/$target.corpus" "$work/seeds" 2>"$work/$target.log" || {
		tail -40 "$work/$target.log" >&2
		echo "test/fuzz/run.sh: $target failed; the input is in $work/crashes" >&2
		exit 1
	}
	grep -E 'DONE|^stat::' "$work/$target.log"
done
