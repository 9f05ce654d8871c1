/** What containers of certain ids have left on the host, and its removal by hand. */
import { spawnSync } from "node:child_process";
import { type Dirent, readdirSync, readFileSync, readlinkSync, rmdirSync, rmSync } from "node:fs";

/** As files and directories of /proc and cgroups come and go while one looks. */
function attempt<T>(look: () => T, otherwise: T): T {
  try {
    return look();
  } catch {
    return otherwise;
  }
}

/** Directories below this one whose path below it has the mark, parents first. */
function marked(top: string, mark: string): string[] {
  const found: string[] = [];
  const look = (directory: string, inside: boolean) => {
    const entries: Dirent[] = attempt(() => readdirSync(directory, { withFileTypes: true }), []);
    for (const entry of entries) {
      if (!entry.isDirectory()) continue;
      const path = `${directory}/${entry.name}`;
      const within = inside || entry.name.includes(mark);
      if (within) found.push(path);
      look(path, within);
    }
  };
  look(top, false);
  return found;
}

/** cgroup directories, in all hierarchies, whose path has the mark. */
export function groupsOf(mark: string): string[] {
  return marked("/sys/fs/cgroup", mark);
}

function membersOf(group: string): number[] {
  const lines = attempt(() => readFileSync(`${group}/cgroup.procs`, "utf8").trim(), "");
  return lines === "" ? [] : lines.split("\n").map(Number);
}

/** Processes in such cgroups, and others whose command line or directory has the mark; zombies are whoever's parent they have. */
function processesOf(mark: string): number[] {
  const found = new Set(groupsOf(mark).flatMap(membersOf));
  for (const name of readdirSync("/proc")) {
    if (!/^\d+$/.test(name) || Number(name) === process.pid) continue;
    const command = attempt(() => readFileSync(`/proc/${name}/cmdline`, "latin1"), "");
    const cwd = attempt(() => readlinkSync(`/proc/${name}/cwd`), "");
    if (command.includes(mark) || cwd.includes(mark)) found.add(Number(name));
  }
  return [...found];
}

function filesOf(root: string, mark: string): string[] {
  const names = attempt(() => readdirSync(root, { recursive: true, encoding: "utf8" }), []);
  return names.filter((name) => name.includes(mark)).map((name) => `${root}/${name}`);
}

function mountsOf(mark: string): string[] {
  const lines = readFileSync("/proc/self/mountinfo", "utf8").split("\n");
  return lines.filter((line) => line.includes(mark));
}

/** What is there of containers whose ids have the mark; "root" is the runtime's directory. */
export function leftovers(mark: string, root: string): string[] {
  return [
    ...processesOf(mark).map((pid) => `process ${pid} ${attempt(() => commandOf(pid), "that has ended meanwhile")}`),
    ...groupsOf(mark).map((path) => `control group ${path}`),
    ...mountsOf(mark).map((line) => `mount ${line}`),
    ...filesOf(root, mark).map((path) => `file ${path}`),
  ];
}

function commandOf(pid: number): string {
  return readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ");
}

/** So that what one test leaves is not found by the next. */
export function sweep(mark: string, root: string): void {
  for (const group of groupsOf(mark)) {
    // A frozen process cannot die.
    const [file, word] = group.includes("/freezer/") ? ["freezer.state", "THAWED"] : ["cgroup.freeze", "0"];
    spawnSync("sh", ["-c", `echo ${word} > ${group}/${file}`], { stdio: "ignore" });
  }
  const end = performance.now() + 5000;
  while (processesOf(mark).length > 0 && performance.now() < end) {
    for (const pid of processesOf(mark)) attempt(() => process.kill(pid, "SIGKILL"), false);
    Bun.sleepSync(10);
  }
  for (const line of mountsOf(mark).reverse()) spawnSync("umount", ["-l", line.split(" ")[4] ?? ""]);
  for (const group of groupsOf(mark).reverse()) attempt(() => rmdirSync(group), undefined);
  for (const file of filesOf(root, mark)) attempt(() => rmSync(file, { recursive: true, force: true }), undefined);
}
