# vitrine: `make demo` shows it, `make test` proves it. See README.md.
CC ?= cc
STAGE_SOURCES := $(wildcard stage/*.c)
STAGE_HEADERS := $(wildcard stage/*.h)
CFLAGS_COMMON := -std=gnu11 -Wall -Wextra -Werror
CFLAGS_STAGE := $(CFLAGS_COMMON) -O2 -ffreestanding -fno-builtin -fno-stack-protector -fno-asynchronous-unwind-tables -fno-pic \
	-static -nostdlib -Wl,-z,noexecstack,--build-id=none -s \
	$(if $(findstring aarch64,$(shell $(CC) -dumpmachine)),-mno-outline-atomics)
# At a fixed place that Bun's own fixed addresses are far from; one segment. The engine follows at ENGINE_AT, which is a
# multiple of every page size.
ENGINE_AT := 65536
FRONT_SOURCES := $(wildcard front/*.c)
FRONT_HEADERS := $(wildcard front/*.h) front/generated/texts.h stage/sys.h
CFLAGS_FRONT := $(CFLAGS_STAGE) -fpie -Wl,-z,noseparate-code,-Ttext-segment=0x400000000 -DENGINE_AT=$(ENGINE_AT)
BUN := node_modules/.bin/bun
BUN_BUILD := $(BUN) build --compile --bytecode --splitting --format=esm --no-compile-autoload-dotenv --no-compile-autoload-bunfig --minify \
	--compile-exec-argv="--smol"
SOURCES := $(shell find src -name '*.ts' -not -path 'src/stage/generated/*' -not -name '*.test.ts')

.PHONY: build
build: dist/vitrine dist/vitrine-runtime dist/library

node_modules: package.json package-lock.json
	@build/need.sh
	npm ci --no-audit --no-fund
	@$(BUN) --version >/dev/null 2>&1 || node node_modules/bun/install.js # where npm runs no install scripts
	@touch node_modules

dist/vitrine-stage: $(STAGE_SOURCES) $(STAGE_HEADERS)
	@build/need.sh
	@mkdir -p dist
	$(CC) $(CFLAGS_STAGE) $(STAGE_SOURCES) -o $@

src/stage/generated/identity.ts: dist/vitrine-stage build/generate-stage.ts $(SOURCES) | node_modules
	$(BUN) build/generate-stage.ts dist/vitrine-stage

front/generated/texts.h: build/generate-texts.ts $(SOURCES) src/stage/generated/identity.ts | node_modules
	$(BUN) build/generate-texts.ts

dist/vitrine-front: $(FRONT_SOURCES) $(FRONT_HEADERS) Makefile
	@build/need.sh
	@mkdir -p dist
	$(CC) $(CFLAGS_FRONT) $(FRONT_SOURCES) -o $@

dist/vitrine-engine: $(SOURCES) src/stage/generated/identity.ts | node_modules
	$(BUN_BUILD) src/main.ts --outfile $@

dist/vitrine: dist/vitrine-front dist/vitrine-engine build/join.sh
	build/join.sh dist/vitrine-front $(ENGINE_AT) dist/vitrine-engine $@

dist/vitrine-runtime: dist/vitrine
	ln -f dist/vitrine $@

# What `import "vitrine"` gives: plain ECMAScript modules with their types.
dist/library: src/library src/errors.ts $(wildcard src/library/*.ts) tsconfig.library.json tsconfig.json | node_modules
	node_modules/.bin/tsc -p tsconfig.library.json
	@touch $@

# A container of the host's own programs, and what is in it.
.PHONY: demo
demo: build
	@build/demo.sh

# Format, lint, types, unit tests: no root needed.
.PHONY: check
check: node_modules src/stage/generated/identity.ts
	$(BUN) test/all.ts check

# Everything, against the real kernel.
.PHONY: test
test: build dist/vitrine-asan
	@build/need-root.sh strace busybox unshare pgrep awk ip
	$(BUN) test/all.ts

# This repository's tests on Debian's kernel, in qemu without acceleration: some quarter of an hour.
.PHONY: test-vm
test-vm: build
	@build/need-root.sh busybox unshare pgrep
	$(BUN) test --timeout 900000 test/vm

.PHONY: bench
bench: build
	@build/need-root.sh busybox
	$(BUN) test/bench/bench.ts

# The stage's parts against a fuzzer, SECONDS each: see test/fuzz/run.sh.
SECONDS ?= 300
.PHONY: fuzz
fuzz: node_modules src/stage/generated/identity.ts
	test/fuzz/run.sh $(SECONDS)

# The same stage, hosted, with the compiler's sanitizers.
dist/vitrine-asan: $(STAGE_SOURCES) $(STAGE_HEADERS) $(SOURCES) build/asan.sh dist/vitrine-front build/join.sh | node_modules
	@mkdir -p dist
	$(CC) $(CFLAGS_COMMON) -O1 -g -DSTAGE_HOSTED -fsanitize=address,undefined -fno-sanitize-recover=all -static-libasan -static-libubsan \
		$(STAGE_SOURCES) -o dist/stage-asan
	build/asan.sh dist/stage-asan dist/engine-asan
	build/join.sh dist/vitrine-front $(ENGINE_AT) dist/engine-asan $@

.PHONY: clean
clean:
	rm -rf dist src/stage/generated front/generated
