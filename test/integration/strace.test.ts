/** Every call seen that changes namespaces, mounts, cgroups, networks, /proc or /sys is in the plan. */
import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import type { Explained, ExplainedInstruction } from "../../src/explain/json.ts";
import { watchLeaks } from "../leaks.ts";
import { BINARY, busybox, directory, ROOT, STATE, vitrine } from "../vitrine.ts";

watchLeaks();

/** A walk that removes a tree asks so whether its path ends in a name: it changes nothing (stage/files.c, remove_tree). */
const ASKS_FOR_NAME = /renameat2\(AT_FDCWD, ("[^"]*"), AT_FDCWD, \1, RENAME_NOREPLACE\) = -1 EEXIST/;

/** Calls that change what a container is made of. */
const CHANGING = [
  "mount",
  "umount2",
  "pivot_root",
  "chroot",
  "move_mount",
  "open_tree",
  "fsopen",
  "fsconfig",
  "fsmount",
  "fspick",
  "mount_setattr",
  "unshare",
  "setns",
  "clone3",
  "clone",
  "fork",
  "vfork",
  "sethostname",
  "setdomainname",
  "setresuid",
  "setresgid",
  "setgroups",
  "setfsuid",
  "setfsgid",
  "capset",
  "prctl",
  "keyctl",
  "setsid",
  "seccomp",
  "bpf",
  "socket",
  "sendto",
  "sendmsg",
  "mkdirat",
  "mkdir",
  "rmdir",
  "unlinkat",
  "unlink",
  "symlinkat",
  "symlink",
  "mknodat",
  "mknod",
  "renameat2",
  "rename",
  "linkat",
  "link",
  "execve",
  "execveat",
  "openat2",
  "memfd_create",
  "umask",
  "close_range",
];

interface Seen {
  readonly call: string;
  readonly strings: readonly string[];
}

for (const flags of [
  ["--memory", "128m", "--cpus", "1"],
  ["--userns", "host", "--memory", "128m", "--network", "host"],
  ["--network", "ns:/proc/self/ns/net", "--ipc", "ns:/proc/self/ns/ipc"],
  ["--read-only", "--cap-add", "NET_RAW", "--tmpfs", "/x", "-v", "/usr:/u:ro", "-v", "/own", "-v", "named:/named"],
  ["-it"],
  ["-d", "-i"],
])
  test(`run ${flags.join(" ")}`, () => {
    const log = `${directory("strace")}/log`;
    const args = ["run", "--rm", ...flags, "--rootfs", busybox(), "/bin/true"];
    vitrine(args); // once before, so that the store is there
    const child = traced(log, args);
    expect(child.stderr.toString()).toBe("");
    expect(child.exitCode).toBe(0);
    const [command = "", flag = "", ...rest] = args;
    expectPlanned(log, [command, flag, "--explain=json", ...rest], 100);
  });

for (const flags of [[], ["-d"], ["-it", "--privileged"]])
  test(`exec ${flags.join(" ")}`, () => {
    const log = `${directory("strace")}/exec`;
    const name = vitrine(["run", "-d", "--rm", "--rootfs", busybox(), "sleep", "1000"]).stdout.trim();
    const args = ["exec", ...flags, name, "/bin/true"];
    vitrine(args);
    const child = traced(log, args);
    expect(child.stderr.toString()).toBe("");
    expect(child.exitCode).toBe(0);
    expectPlanned(log, ["exec", "--explain=json", ...args.slice(1)], 50);
    vitrine(["rm", "-f", name]);
  });

function traced(log: string, args: readonly string[]) {
  const env = { PATH: process.env.PATH ?? "", VITRINE_ROOT: ROOT, VITRINE_STATE: STATE };
  return Bun.spawnSync(
    ["strace", "-f", "-s", "4096", "-o", log, "-e", `trace=${CHANGING.join()},openat,write`, BINARY, ...args],
    { env },
  );
}

/** What strace saw of a command that becomes the stage and starts /bin/true, against what the same command explains. */
function expectPlanned(log: string, explained: readonly string[], least: number): void {
  const lines = whole(readFileSync(log, "latin1"));
  const stage = lines.findIndex((l) => /execve\("[^"]*\/stage\/[0-9a-f]{64}"/.test(l));
  const program = lines.findIndex((l) => l.includes('execve("/bin/true"'));
  expect(stage).toBeGreaterThan(0);
  expect(program).toBeGreaterThan(stage);

  // Before the stage: TypeScript touches its own files only.
  for (const { call, strings } of lines.slice(0, stage).map(parse)) {
    if (["clone3", "prctl", "execve", "memfd_create"].includes(call)) continue; // threads of the runtime, and itself
    if (call === "openat" || call === "write") continue;
    for (const path of strings.filter((s) => s.startsWith("/")))
      expect([ROOT, STATE].some((own) => path.startsWith(own))).toBe(true);
    expect(["mkdir", "unlink", "rename", "rmdir", "close_range", "umask"]).toContain(call);
  }
  for (const line of lines.slice(0, stage))
    if (/O_WRONLY|O_RDWR|O_CREAT/.test(line))
      expect(line).toMatch(new RegExp(`"${ROOT}|"${STATE}|"/dev/(null|urandom)|/dev/tty`));

  // From the stage on: every changing call, and every file opened for writing, is an instruction of the plan.
  const plan = planned(JSON.parse(vitrine(explained).stdout));
  const childOnly = new Set<string>();
  const seen = lines.slice(stage + 1).map(parse);
  const exec = seen.findIndex((s) => s.call === "execve" && s.strings[0] === "/bin/true");
  const pid = lines[program]?.split(/\s/)[0];
  let checked = 0;
  for (const [i, s] of seen.entries()) {
    const line = lines[stage + 1 + i] ?? "";
    if (i > exec && line.startsWith(`${pid} `)) continue; // the container's own program
    if (s.strings[0] === "/dev/null") continue; // the stage fills descriptors 0 to 2
    if (s.call === "openat" && !/O_WRONLY|O_RDWR|O_CREAT/.test(line)) continue;
    if (s.call === "write" || !CHANGING.includes(s.call)) {
      if (s.call !== "openat") continue;
    }
    if (ASKS_FOR_NAME.test(line) && plan.some((p) => p.call === "remove")) continue;
    const alike = plan.filter((p) => p.call === s.call);
    expect({ line, known: alike.length > 0 }).toEqual({ line, known: true });
    const match = alike.some((p) => s.strings.every((text) => text.startsWith("\\x") || p.text.includes(normal(text))));
    const inTree = s.call === "unlinkat" || (s.call === "openat2" && line.includes("RESOLVE_BENEATH"));
    const removal = inTree && plan.some((p) => p.call === "remove"); // inside a tree that a walk removes
    if (!match && !removal && s.call !== "openat") childOnly.add(line);
    if (!match && s.call === "openat") expect({ line, known: /O_DIRECTORY/.test(line) }).toEqual({ line, known: true });
    checked++;
  }
  expect([...childOnly]).toEqual([]);
  expect(checked).toBeGreaterThan(least);
}

/** strace cuts a call in two when another process comes between. */
function whole(log: string): string[] {
  const open = new Map<string, string>();
  const lines: string[] = [];
  for (const line of log.split("\n")) {
    const pid = line.split(/\s/)[0] ?? "";
    if (line.includes("<unfinished ...>")) open.set(pid, line.replace(/\s*<unfinished \.\.\.>.*/, ""));
    else if (/<\.\.\. \w+ resumed>/.test(line)) lines.push((open.get(pid) ?? "") + line.replace(/^.*resumed>/, ""));
    else if (/^\d+\s+\w+\(/.test(line)) lines.push(line);
  }
  return lines;
}

function parse(line: string): Seen {
  const call = /^\d+\s+(\w+)\(/.exec(line)?.[1] ?? "";
  const strings = [...line.matchAll(/"((?:[^"\\]|\\.)*)"/g)].map((m) => m[1] ?? "");
  return { call, strings };
}

/** Ids and the like differ from run to run, and a pid stands in the plan as slashes. */
function normal(text: string): string {
  return text
    .replace(/[0-9a-f]{64}(\.\d{10}\.\d{20})?/g, "ID")
    .replace(/^\.\/+\d+\//, "./PID/")
    .replace(/^[0-9a-f]{12}$/, "SHORT")
    .replace(/exec-[0-9a-f]{12}/, "exec-SHORT")
    .replace(/names\/\w+$/, "names/NAME");
}

function planned({ steps }: Explained): { call: string; text: string }[] {
  const result: { call: string; text: string }[] = [];
  const take = (list: readonly ExplainedInstruction[]) => {
    for (const i of list) {
      const text = (i.args ?? []).map((a) => normal(String(a).replace(/^0x2e2f+(.*)$/, pidPath))).join(" ");
      result.push({ call: i.call ?? i.do, text });
      take(i.first ?? []);
      take(i.other ?? []);
    }
  };
  for (const step of steps) {
    take(step.does);
    take(step.undo?.does ?? []);
  }
  return result;
}

/** "./////…/uid_map" as bytes: the place of a pid. */
function pidPath(hex: string): string {
  const text = Buffer.from(hex.slice(2), "hex").toString("latin1").replaceAll("\0", "");
  return text.replace(/^\.\/+/, "./PID/");
}
