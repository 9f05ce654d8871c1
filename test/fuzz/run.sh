#!/bin/sh
# Fuzzes the stage: test/fuzz/run.sh [SECONDS]. Exits non-zero on a crash; the input is then kept.
# Targets, SECONDS each, as many at once as there are processors: the decoder of plans; on made-up kernels the executor, the reader
# of record streams, the listing of trees, a monitor and its clients with the frames between them. FUZZ_TARGETS picks; FUZZ_FLAGS go to the
# compiler.
set -eu
cd "$(dirname "$0")/../.."
seconds=${1:-60}
work=${FUZZ_DIR:-dist/fuzz}
targets=${FUZZ_TARGETS:-decode execute records list monitor client}

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

# A copy of the stage whose system calls are a function that the target brings along, and whose monitor tells where its state is.
rm -rf "$work/stage"
cp -r stage "$work/stage"
sed -i -e 's/static inline i64 sys6(/static inline i64 real_sys6(/' \
	-e 's/^struct timespec64 {/i64 sys6(i64 nr, i64 a, i64 b, i64 c, i64 d, i64 e, i64 f);\n&/' "$work/stage/sys.h"
mkdir "$work/stage/told"
sed -e 's/^\tstatic struct monitor m;$/&\n\textern struct monitor *the_state;/' -e 's/^\tm = (struct monitor){.*$/\tthe_state = \&m;\n&/' \
	"$work/stage/attach.c" >"$work/stage/told/attach.c"
sed -e 's/^\tstatic struct command c;$/&\n\textern struct command *the_state;/' -e 's/^\tc = (struct command){.*$/\tthe_state = \&c;\n&/' \
	"$work/stage/client.c" >"$work/stage/told/client.c"

flags="-std=gnu11 -g -O1 -Wall -Wextra -Werror -DSTAGE_HOSTED -fno-builtin -fsanitize=fuzzer,address,undefined
	-fno-sanitize-recover=all ${FUZZ_FLAGS:-}"
# NAME SOURCES...: a target on a made-up kernel.
on_a_kernel() {
	name=$1
	shift
	clang $flags -Wno-unused-function -DMUTATOR_ONLY -I"$work/stage/told" -I"$work/stage" -Itest/fuzz "$@" -o "$work/$name"
}
build() {
	case $1 in
	decode) clang $flags -Istage test/fuzz/decode.c stage/wire.c -o "$work/decode" ;;
	execute) on_a_kernel execute test/fuzz/execute.c test/fuzz/decode.c $(ls "$work"/stage/*.c | grep -v '/stage\.c$') ;;
	records) on_a_kernel records test/fuzz/records.c "$work"/stage/stream.c "$work"/stage/files.c "$work"/stage/list.c ;;
	list) on_a_kernel list test/fuzz/list.c "$work"/stage/stream.c "$work"/stage/files.c "$work"/stage/list.c ;;
	monitor) on_a_kernel monitor test/fuzz/frames.c "$work"/stage/monitor.c "$work"/stage/terminal.c "$work"/stage/client.c "$work"/stage/log.c ;;
	client) on_a_kernel client -DAS_CLIENT test/fuzz/frames.c "$work"/stage/monitor.c "$work"/stage/terminal.c "$work"/stage/attach.c "$work"/stage/log.c ;;
	esac
}

# Plans are the seeds of the first two, each of the others has its own.
fuzz() {
	seeds=$work/seeds/$1
	[ -d "$seeds" ] || seeds=$work/seeds/plans
	mkdir -p "$work/$1.corpus"
	"$work/$1" -max_total_time="$seconds" -max_len=131072 -len_control=0 -timeout=10 -rss_limit_mb=1024 -print_final_stats=1 \
		-artifact_prefix="$work/crashes/$1-" "$work/$1.corpus" "$seeds" 2>"$work/$1.log"
}

for target in $targets; do
	build "$target"
done
most=$(nproc)
failed=
running= # PID=TARGET, oldest first
settle() {
	first=${running%% *}
	running=${running#* }
	ended=${first#*=}
	if wait "${first%%=*}"; then
		echo "== $ended: $seconds s"
		grep -E 'DONE|^stat::' "$work/$ended.log"
	else
		tail -40 "$work/$ended.log" >&2
		echo "test/fuzz/run.sh: $ended failed; the input is in $work/crashes" >&2
		failed=1
	fi
}
at_work=0
for target in $targets; do
	if [ $at_work -ge "$most" ]; then
		settle
		at_work=$((at_work - 1))
	fi
	fuzz "$target" &
	running="$running$!=$target "
	at_work=$((at_work + 1))
done
while [ -n "$running" ]; do
	settle
done
[ -z "$failed" ]
