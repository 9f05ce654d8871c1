/**
 * How long `true` in a fresh container takes, here and in other engines: whole processes, from spawn to exit, in turn.
 * It only measures; what it makes is removed at the end.
 *
 * BENCH_ROUNDS=N    rounds that count (30)
 * BENCH_ONLY=A,B    only these: runc, runc-no-userns, crun, crun-no-userns, bwrap, unshare, nspawn, podman, docker,
 *                   and the parts bootstrap, images, registry, oci, live, inside, networks, start-up, phases, row
 *
 * Peers are those that are installed; "networks" also takes iperf3 (Debian's package of that name) and docker.io.
 */
import { spawnSync } from "node:child_process";
import { constants, copyFileSync, writeFileSync } from "node:fs";
import { cpus, loadavg, release } from "node:os";
import { join, resolve } from "node:path";
import { bootstrapRace } from "./bootstrap.ts";
import { closeEngines, liveRaces, openEngines, printLive } from "./containers.ts";
import { imageRaces } from "./images.ts";
import { insideRaces } from "./inside.ts";
import { openNetworks, printMany } from "./networks.ts";
import { ociRaces } from "./oci.ts";
import { peers } from "./peers.ts";
import { printPhases } from "./phases.ts";
import { makePlace, makeRootfs, type Place } from "./place.ts";
import { type Entrant, type Entry, interrupted, median, race, settle, wallTime } from "./race.ts";
import { registryRaces } from "./registry.ts";
import { ms, printResults, printTable } from "./table.ts";
import { printTraffic } from "./traffic.ts";

const REPOSITORY = resolve(import.meta.dirname, "../..");
const ROW_STARTS = 20;
const ROW_ROUNDS = 3;
const BOOTSTRAP_ROUNDS = 3;
const IMAGE_ROUNDS = 5;
const PHASE_ROUNDS = 15;
const REGISTRY_ROUNDS = 10;
const TRAFFIC_ROUNDS = 15;

const rounds = Math.max(1, Number(process.env.BENCH_ROUNDS ?? 30) || 30);
const only = (process.env.BENCH_ONLY ?? "").split(",").filter((name) => name !== "");
const wanted = (name: string) => only.length === 0 || only.includes(name);

async function bench(place: Place): Promise<void> {
  const rootfs = makeRootfs(place, "rootfs");
  // A copy: whoever builds meanwhile does not disturb.
  const program = join(place.directory, "vitrine");
  copyFileSync(join(REPOSITORY, "dist/vitrine"), program, constants.COPYFILE_FICLONE);
  const env = {
    ...process.env,
    VITRINE_ROOT: join(place.directory, "vitrine-root"),
    VITRINE_STATE: join(place.directory, "vitrine-state"),
  };
  const flags = ["--rm", "--network", "none", "--memory", "128m", "--cpus", "1", "--rootfs", rootfs, "/bin/true"];
  const ours: Entry = { name: "vitrine", argv: [program, "run", ...flags], env, note: "limits, user namespace" };

  const others = await peers(place, rootfs, wanted);
  console.log(`Linux ${release()}, ${cpus().length} CPUs, load ${load()}; ${rounds} rounds after one that warms up`);
  spawnSync("sync", ["-f", place.directory]);

  if (others.length > 0) {
    console.log("\nRun `true` in a fresh container, with limits");
    printResults(await race([ours, ...others], rounds));
  }
  if (wanted("bootstrap")) {
    console.log("\nDebian bookworm, minbase, from the mirror");
    printResults(await race(await bootstrapRace(place, program), Math.min(rounds, BOOTSTRAP_ROUNDS)));
  }
  if (wanted("images"))
    for (const { title, entrants } of await imageRaces(place, program)) {
      console.log(`\nImages: ${title}`);
      printResults(await race(entrants, Math.min(rounds, IMAGE_ROUNDS)));
    }
  if (wanted("registry"))
    for (const { title, entrants } of await registryRaces(place, program)) {
      console.log(`\nRegistries: ${title}`);
      printResults(await race(entrants, Math.min(rounds, REGISTRY_ROUNDS)));
    }
  if (wanted("oci")) {
    const runtime = join(place.directory, "vitrine-runtime");
    copyFileSync(join(REPOSITORY, "dist/vitrine-runtime"), runtime, constants.COPYFILE_FICLONE);
    for (const { title, entrants } of await ociRaces(place, rootfs, runtime)) {
      console.log(`\nOCI runtimes: ${title}`);
      printResults(await race(entrants, rounds));
    }
  }
  if (wanted("inside"))
    for (const { title, entrants } of await insideRaces(place, rootfs, program, env)) {
      console.log(`\nIn a container that runs: ${title}`);
      printResults(await race(entrants, rounds));
    }
  if (wanted("networks")) {
    const networks = await openNetworks(place, rootfs, program);
    console.log("\nRun `true` in a fresh container, on a bridge network");
    if ("reason" in networks) console.log(`not measured: ${networks.reason}`);
    else {
      printResults(await race(networks.entrants, rounds));
      console.log("\nStarts of containers that stay on one network");
      printMany(networks);
      console.log("\nWhat goes through");
      await printTraffic(place, networks, networks.docker, Math.min(rounds, TRAFFIC_ROUNDS));
    }
  }
  if (wanted("live")) await benchLive(place, rootfs, program);
  if (wanted("start-up")) {
    console.log("\nStart-up alone");
    printResults(await race(startUp(place, program), rounds));
  }
  if (wanted("phases")) {
    console.log("\nvitrine run by phase");
    await printPhases(ours, flags, Math.min(rounds, PHASE_ROUNDS));
  }
  const runc = others.find((other) => other.name === "runc");
  if (wanted("row") || runc) {
    console.log(`\n${ROW_STARTS} starts in a row, the median of ${ROW_ROUNDS} rows each`);
    await printRow([ours, ...(runc && "argv" in runc ? [runc] : [])]);
  }
  console.log(`\nLoad at the end: ${load()}`);
}

async function benchLive(place: Place, rootfs: string, program: string): Promise<void> {
  const engines = await openEngines(place, rootfs, program);
  try {
    for (const { title, entrants } of liveRaces(engines)) {
      console.log(`\nContainers that go on by themselves: ${title}`);
      printResults(await race(entrants, rounds));
    }
    console.log("\nMany of them");
    await printLive(engines);
  } finally {
    closeEngines(engines);
  }
  const crowd = process.env.BENCH_CROWD ?? "1000";
  const many = spawnSync(
    process.execPath,
    ["test", "--timeout", "900000", join(REPOSITORY, "test/crowd/many.test.ts")],
    {
      env: { ...process.env, CROWD: crowd },
      encoding: "utf8",
    },
  );
  console.log(
    /^figure: .*$/m.exec(many.stdout)?.[0] ?? `${crowd} containers: ${many.stderr.trim().split("\n").at(-1)}`,
  );
}

const load = () => (loadavg()[0] ?? 0).toFixed(1);

function startUp(place: Place, program: string): Entrant[] {
  const node = Bun.which("node");
  // Copied as the other: how a file was written decides how it lies in the page cache, and that is worth milliseconds.
  const engine = join(place.directory, "vitrine-engine");
  copyFileSync(join(REPOSITORY, "dist/vitrine-engine"), engine, constants.COPYFILE_FICLONE);
  return [
    { name: "vitrine --version", argv: [program, "--version"], note: "" },
    { name: "the same without front", argv: [engine, "--version"], note: "so with JIT compilers" },
    emptyProgram(place),
    node ? { name: "node -e 0", argv: [node, "-e", "0"], note: "" } : { name: "node -e 0", reason: "not installed" },
    { name: "/bin/true", argv: ["/bin/true"], note: "" },
  ];
}

/** What Bun's runtime costs by itself: nothing, built as vitrine is built. */
function emptyProgram(place: Place): Entrant {
  const name = "empty Bun program";
  const rule = "bun-build: ; @echo $(BUN_BUILD)";
  const made = spawnSync("make", ["-s", "--no-print-directory", "--eval", rule, "bun-build"], {
    cwd: REPOSITORY,
    encoding: "utf8",
  });
  const [bun, ...flags] = made.stdout.trim().split(" ");
  if (made.status !== 0 || !bun) return { name, reason: `BUN_BUILD: ${made.stderr.trim()}` };
  writeFileSync(join(place.directory, "nothing.ts"), "export {};\n");
  const file = join(place.directory, "nothing");
  const built = spawnSync(resolve(REPOSITORY, bun), [...flags, "nothing.ts", "--outfile", file], {
    cwd: place.directory,
    encoding: "utf8",
  });
  if (built.status !== 0) return { name, reason: `bun build: ${built.stderr.trim().split("\n").at(-1)}` };
  return { name, argv: [file], note: "the same build flags" };
}

async function printRow(entries: readonly Entry[]): Promise<void> {
  const totals = new Map<Entry, number[]>(entries.map((entry) => [entry, []]));
  for (let round = 0; round < ROW_ROUNDS; round++)
    for (const [entry, list] of totals) {
      wallTime(entry);
      await settle();
      const start = process.hrtime.bigint();
      for (let i = 0; i < ROW_STARTS; i++) {
        const took = wallTime(entry);
        await settle(0);
        if (typeof took === "string") return console.log(`not measured: ${entry.name}: ${took}`);
      }
      list.push(Number(process.hrtime.bigint() - start) / 1e6);
      await settle();
    }
  const rows = [...totals].map(([{ name, note }, list]) => [
    name,
    ms(median(list)),
    ms(median(list) / ROW_STARTS),
    note,
  ]);
  printTable(["", "total ms", "each", ""], rows);
}

for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const)
  process.on(signal, () => interrupted.abort(new Error(signal)));
const place = makePlace();
try {
  await bench(place);
} catch (error) {
  if (!interrupted.signal.aborted) throw error;
  console.error("bench: interrupted");
  process.exitCode = 130;
} finally {
  await place.leave();
}
