/** Ordinary programs under the default seccomp filter, capabilities and user namespace; this system itself is the (unchanged) root. */
import { describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { watchLeaks } from "../leaks.ts";
import { vitrine } from "../vitrine.ts";

watchLeaks();

const here = (program: string) => spawnSync("sh", ["-c", `command -v ${program}`]).status === 0;

/** Needed programs, what a shell is given, what it has to print. */
const WORK: readonly (readonly [needs: readonly string[], script: string, prints: string])[] = [
  [
    ["bash"],
    "bash -c 'set -o pipefail; a=(1 2 3); seq 3 | while read -r n; do echo $((a[n-1]*2)); done; cat <(true)'",
    "2\n4\n6\n",
  ],
  [
    ["tar", "gzip"],
    "mkdir d && seq 1000 > d/f && ln d/f d/g && tar czf x.tgz d && rm -r d && tar xzf x.tgz && cmp d/f d/g && stat -c %h d/f",
    "2\n",
  ],
  [
    ["cc"],
    "echo 'int puts(const char*);int main(void){return puts(\"built\")<0;}' > a.c && cc -O2 -o a a.c && ./a",
    "built\n",
  ],
  [["make"], "printf 'all: a b\\na b:\\n\\t@echo $@ > $@\\n' > Makefile && make -s -j4 && cat a b", "a\nb\n"],
  [
    ["git"],
    "git init -q r && cd r && echo 1 > f && git add f && git -c user.name=a -c user.email=a@b commit -qm one && git gc -q && git log --format=%s",
    "one\n",
  ],
  [
    ["perl"],
    'perl -MIO::Socket::INET -e \'$s=IO::Socket::INET->new(Listen=>1,LocalAddr=>"127.0.0.1") or die; if(!fork){$c=IO::Socket::INET->new(PeerAddr=>"127.0.0.1",PeerPort=>$s->sockport);print $c "hello\\n";exit} print $s->accept->getline; wait\'',
    "hello\n",
  ],
  [
    ["python3"],
    'python3 -c \'import threading,subprocess,tempfile,multiprocessing as m; p=m.get_context("fork").Pool(2); print(sum(p.map(abs,[-1,-2,-3]))); print(subprocess.check_output(["echo","child"]).decode(),end=""); t=threading.Thread(target=print,args=("thread",)); t.start(); t.join()\'',
    "6\nchild\nthread\n",
  ],
  [
    ["node"],
    'node -e \'const {Worker}=require("worker_threads");const fs=require("fs");fs.watch(".");new Worker("require(\\"worker_threads\\").parentPort.postMessage(42)",{eval:true}).on("message",m=>{console.log(m);process.exit()})\'',
    "42\n",
  ],
  [["dpkg"], "dpkg-query -W dpkg | cut -f 1 && dpkg --audit", "dpkg\n"],
  [["apt-get"], "apt-get -qq check && apt-cache policy dpkg | head -n 1", "dpkg:\n"],
  [
    ["useradd"],
    "useradd -m -u 1500 somebody && su somebody -s /bin/sh -c 'id -un; touch ~/f && stat -c %U ~/f'",
    "somebody\nsomebody\n",
  ],
  [
    ["flock"],
    "flock lock -c 'echo held'; mkfifo p; (echo through > p &) ; cat p; mktemp -d > /dev/null && timeout 5 sleep 0.01 && nice -n 5 nice",
    "held\nthrough\n5\n",
  ],
];

describe("as a user would use it", () => {
  for (const [needs, script, prints] of WORK)
    test.skipIf(!needs.every(here))(needs.join(", "), () => {
      const flags = [
        "--rm",
        "--rootfs",
        "/",
        "--workdir",
        "/vitrine-work",
        "-e",
        "PATH",
        "-e",
        "HOME=/root",
        "--hostname",
        "box",
      ];
      const { status, stdout, stderr } = vitrine(["run", ...flags, "sh", "-c", script], {
        env: { PATH: process.env.PATH ?? "" },
      });
      expect({ status, stdout, stderr: stderr.replace(/^W: .*\n/gm, "") }).toEqual({
        status: 0,
        stdout: prints,
        stderr: "",
      });
    });
});
