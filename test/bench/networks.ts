/** Starts on a bridge network, beside docker's: in network namespaces made for it. */
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { type Docker, openDocker } from "./docker.ts";
import type { Place } from "./place.ts";
import { type Absent, type Entrant, median, wallTime } from "./race.ts";
import { ms, printTable } from "./table.ts";

const MANY = 100;
/** Of the first and of the last ones so many are told. */
const TOLD = 10;

export interface Netted {
  readonly entrants: readonly Entrant[];
  /** Of ours: whose hundredth start is compared with its first. */
  readonly argv: readonly string[];
  readonly env: NodeJS.ProcessEnv;
  readonly rootfs: string;
  readonly docker: Docker | undefined;
}

export async function openNetworks(place: Place, rootfs: string, program: string): Promise<Netted | Absent> {
  const name = "vitrine";
  if (!Bun.which("nft") || !Bun.which("ip")) return { name, reason: "nft and ip are not installed" };
  const netns = `vitrine-bench-${process.pid}`;
  if (spawnSync("ip", ["netns", "add", netns]).status !== 0)
    return { name, reason: "no network namespace can be made" };
  place.onLeave(async () => {
    spawnSync("ip", ["netns", "del", netns]);
  });
  spawnSync("ip", ["-n", netns, "link", "set", "lo", "up"]);
  const env = {
    ...process.env,
    VITRINE_ROOT: join(place.directory, "net-root"),
    VITRINE_STATE: join(place.directory, "net-state"),
  };
  const argv = ["nsenter", `--net=/run/netns/${netns}`, program];
  const ours = (network: string, note: string): Entrant => ({
    name: `vitrine, ${network}`,
    argv: [...argv, "run", "--rm", "--network", network, "--rootfs", rootfs, "/bin/true"],
    env,
    note,
  });
  const theirs = await docker(place, rootfs);
  return {
    entrants: [
      ours("bridge", "address, veth, routes, IPv6, /etc/hosts"),
      theirs.entrant,
      ours("none", "for comparison"),
    ],
    argv,
    env,
    rootfs,
    docker: theirs.docker,
  };
}

async function docker(place: Place, rootfs: string): Promise<{ entrant: Entrant; docker?: Docker }> {
  const opened = await openDocker(place, "bridge");
  if ("reason" in opened) return { entrant: opened };
  const { host, env } = opened;
  const archive = join(place.directory, "net.tar");
  spawnSync("tar", ["-C", rootfs, "-cf", archive, "."]);
  const imported = spawnSync("docker", ["-H", host, "import", archive, "net"], { env, encoding: "utf8" });
  if (imported.status !== 0) return { entrant: { name: "docker", reason: `docker import: ${imported.stderr.trim()}` } };
  const argv = ["docker", "-H", host, "run", "--rm", "net", "/bin/true"];
  return { entrant: { name: "docker, bridge", argv, env, note: "" }, docker: opened };
}

/** Milliseconds of the first and the last of many that stay. */
export function printMany({ argv, env, rootfs }: Netted): void {
  const names = Array.from({ length: MANY }, (_, i) => `net-${i}`);
  const times: number[] = [];
  for (const name of names) {
    const flags = ["run", "-d", "--name", name, "--network", "bridge", "--rootfs", rootfs];
    const took = wallTime({ name, argv: [...argv, ...flags, "/bin/busybox", "sleep", "10000"], env, note: "" });
    if (typeof took === "number") times.push(took);
  }
  const [program = "", ...before] = argv;
  spawnSync(program, [...before, "rm", "-f", ...names], { env, stdio: "ignore" });
  if (times.length < MANY) console.log(`${MANY - times.length} of ${MANY} did not start`);
  printTable(
    ["", "ms, median"],
    [
      [`the first ${TOLD} of ${MANY}`, ms(median(times.slice(0, TOLD)))],
      [`the last ${TOLD}`, ms(median(times.slice(-TOLD)))],
    ],
  );
}
