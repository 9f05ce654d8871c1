/** OCI runtimes, command by command, on the same bundles. */
import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { crunBefore, makeBundle } from "./peers.ts";
import type { Place } from "./place.ts";
import type { Entrant, Entry } from "./race.ts";

interface Runtime {
  readonly name: string;
  /** The program with its global flags, and what leads to it. */
  readonly argv: readonly string[];
  /** Of a container that ends at once, and of one that goes on. */
  readonly once: string;
  readonly long: string;
}

/** A config that was never seen: what comes again is known to some. */
function renew({ once }: Runtime): void {
  const file = join(once, "config.json");
  const config = JSON.parse(readFileSync(file, "utf8"));
  writeFileSync(file, JSON.stringify({ ...config, annotations: { "org.example.round": String(performance.now()) } }));
}

export interface OciRace {
  readonly title: string;
  readonly entrants: readonly Entrant[];
}

/** @param program vitrine-runtime */
export async function ociRaces(place: Place, rootfs: string, program: string): Promise<OciRace[]> {
  const candidates: [name: string, program: string, before: readonly string[], flags: readonly string[]][] = [
    ["vitrine-runtime", program, [], []],
    ["runc", "runc", [], []],
    ["crun", "crun", Bun.which("crun") ? await crunBefore(place) : [], ["--cgroup-manager=cgroupfs"]],
  ];
  const there: Runtime[] = [];
  const absent: Entrant[] = [];
  for (const [name, file, before, flags] of candidates) {
    if (!Bun.which(file)) {
      absent.push({ name, reason: "not installed" });
      continue;
    }
    const argv = [...before, file, "--root", join(place.directory, `oci-${name}`), ...flags];
    const once = makeBundle(place, rootfs, `oci-${name}`, false);
    const long = makeBundle(place, rootfs, `oci-${name}-long`, false, ["/bin/busybox", "sleep", "1000"]);
    there.push({ name, argv, once, long });
  }
  for (const { argv, long } of there) {
    const [file = "", ...args] = argv;
    spawnSync(file, [...args, "run", "--detach", "--bundle", long, "long"], { stdio: "ignore" });
    place.onLeave(() => void spawnSync(file, [...args, "delete", "--force", "long"], { stdio: "ignore" }));
  }
  const race = (
    title: string,
    command: (runtime: Runtime) => readonly string[],
    after?: (runtime: Runtime) => void,
  ): OciRace => {
    const entries = there.map(
      (r): Entry => ({ name: r.name, argv: command(r), note: "", ...(after ? { after: () => after(r) } : {}) }),
    );
    return { title, entrants: [...entries, ...absent] };
  };
  const row = '"$@" create --bundle "$0" once && "$@" start once && "$@" delete --force once';
  return [
    race("run", ({ argv, once }) => [...argv, "run", "--bundle", once, "once"]),
    race(
      "run of a bundle that is new each time",
      ({ argv, once }) => [...argv, "run", "--bundle", once, "once"],
      renew,
    ),
    race("create, start and delete --force", ({ argv, once }) => ["sh", "-c", row, once, ...argv]),
    race("exec", ({ argv }) => [...argv, "exec", "long", "/bin/true"]),
    race("state", ({ argv }) => [...argv, "state", "long"]),
    race("kill (a signal that is ignored)", ({ argv }) => [...argv, "kill", "long", "WINCH"]),
    race("list", ({ argv }) => [...argv, "list"]),
    race("ps", ({ argv }) => [...argv, "ps", "long"]),
    race("ps --format json", ({ argv }) => [...argv, "ps", "--format", "json", "long"]),
    race("events --stats", ({ argv }) => [...argv, "events", "--stats", "long"]),
    race("update", ({ argv }) => [...argv, "update", "--pids-limit", "1000", "long"]),
    race("pause and resume", ({ argv }) => ["sh", "-c", '"$@" pause long && "$@" resume long', "sh", ...argv]),
    race("spec", ({ argv }) => ["sh", "-c", '"$@" spec && rm config.json', "sh", ...argv]),
    race("features", ({ argv }) => [...argv, "features"]),
    race("--version", ({ argv }) => [...argv, "--version"]),
  ];
}
