/** What is done in a container that runs, beside docker, podman and runc: one more process, files in and out. */
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { openDocker } from "./docker.ts";
import { makeBundle, podmanSettings } from "./peers.ts";
import { makeRootfs, type Place } from "./place.ts";
import { type Absent, alone, type Entrant } from "./race.ts";

export interface InsideRace {
  readonly title: string;
  readonly entrants: readonly Entrant[];
}

interface Engine {
  readonly name: string;
  /** With its global flags. */
  readonly argv: readonly string[];
  readonly env: NodeJS.ProcessEnv;
  readonly note: string;
  /** It can copy. */
  readonly copies: boolean;
}

const CONTAINER = "bench-inside";

/** @param env of the program: where its containers are */
export async function insideRaces(
  place: Place,
  rootfs: string,
  program: string,
  env: NodeJS.ProcessEnv,
): Promise<InsideRace[]> {
  const all = [ours(place, rootfs, program, env), await docker(place, rootfs), podman(place), runc(place, rootfs)];
  const inside = `${CONTAINER}:/bin/busybox`;
  const there = (one: Engine | Absent): one is Engine => "argv" in one;
  const entry = ({ name, argv, env, note }: Engine, more: readonly string[]) => ({
    name,
    argv: [...argv, ...more],
    env,
    note,
  });
  const races = (copies: boolean, title: string, more: (engine: Engine) => readonly string[]): InsideRace => ({
    title,
    entrants: all.flatMap((one): Entrant[] =>
      !there(one) ? [one] : copies && !one.copies ? [] : [entry(one, more(one))],
    ),
  });
  return [
    races(false, "exec true", () => ["exec", CONTAINER, "/bin/true"]),
    races(true, "cp of a file out", ({ name }) => ["cp", inside, join(place.directory, `out-${name}`)]),
    races(true, "cp of a file in", () => ["cp", join(rootfs, "bin/busybox"), `${CONTAINER}:/copied`]),
  ];
}

function started(argv: readonly string[], env: NodeJS.ProcessEnv): string | undefined {
  const [command = "", ...args] = argv;
  const child = spawnSync(command, args, { ...alone, env, encoding: "utf8", stdio: ["ignore", "ignore", "pipe"] });
  return child.status === 0 ? undefined : (child.stderr.trim().split("\n").at(-1) ?? "it did not start");
}

function ours(place: Place, rootfs: string, program: string, env: NodeJS.ProcessEnv): Engine | Absent {
  const name = "vitrine";
  const reason = started(
    [
      program,
      "run",
      "-d",
      "--name",
      CONTAINER,
      "--network",
      "none",
      "--rootfs",
      rootfs,
      "/bin/busybox",
      "sleep",
      "10000",
    ],
    env,
  );
  if (reason !== undefined) return { name, reason };
  place.onLeave(() => void spawnSync(program, ["rm", "-f", CONTAINER], { env, stdio: "ignore" }));
  return { name, argv: [program], env, note: "user namespace, a group of its own", copies: true };
}

async function docker(place: Place, rootfs: string): Promise<Engine | Absent> {
  const opened = await openDocker(place);
  if ("reason" in opened) return opened;
  const { name, host, env } = opened;
  const argv = ["docker", "-H", host];
  const archive = join(place.directory, "docker-inside.tar");
  spawnSync("tar", ["-C", rootfs, "-cf", archive, "."]);
  const run = ["run", "-d", "--name", CONTAINER, "--network", "none", "bench-inside", "/bin/busybox", "sleep", "10000"];
  const reason = started([...argv, "import", archive, "bench-inside"], env) ?? started([...argv, ...run], env);
  if (reason !== undefined) return { name, reason };
  place.onLeave(() => void spawnSync("docker", ["-H", host, "rm", "-f", CONTAINER], { env, stdio: "ignore" }));
  return { name, argv, env, note: "no user namespace; client, daemon, shim and runc", copies: true };
}

function podman(place: Place): Engine | Absent {
  const name = "podman";
  if (!Bun.which(name)) return { name, reason: "not installed" };
  const directory = join(place.directory, "podman-inside");
  const rootfs = makeRootfs(place, "rootfs-podman-inside");
  spawnSync("mkdir", ["-m", "0700", directory]);
  const env = { ...process.env, CONTAINERS_CONF: podmanSettings(directory) };
  const places = ["--root", `${directory}/root`, "--runroot", `${directory}/run`, "--tmpdir", `${directory}/tmp`];
  const argv = ["podman", "--runtime", "runc", ...places];
  const run = [
    "run",
    "-d",
    "--name",
    CONTAINER,
    "--network",
    "none",
    "--cgroup-parent",
    place.cgroup,
    "--rootfs",
    rootfs,
  ];
  const reason = started([...argv, ...run, "/bin/busybox", "sleep", "10000"], env);
  if (reason !== undefined) return { name, reason };
  place.onLeave(
    () => void spawnSync("podman", [...argv.slice(1), "rm", "-f", "-t", "0", CONTAINER], { env, stdio: "ignore" }),
  );
  return { name, argv, env, note: "no user namespace; conmon and runc", copies: true };
}

function runc(place: Place, rootfs: string): Engine | Absent {
  const name = "runc";
  if (!Bun.which(name)) return { name, reason: "not installed" };
  const argv = ["runc", "--root", join(place.directory, "runc-inside")];
  const bundle = makeBundle(place, rootfs, "runc-inside", true, ["/bin/busybox", "sleep", "10000"]);
  const reason = started([...argv, "run", "-d", "--bundle", bundle, CONTAINER], process.env);
  if (reason !== undefined) return { name, reason };
  place.onLeave(() => void spawnSync("runc", [...argv.slice(1), "delete", "-f", CONTAINER], { stdio: "ignore" }));
  return { name, argv, env: process.env, note: "user namespace; the runtime alone", copies: false };
}
