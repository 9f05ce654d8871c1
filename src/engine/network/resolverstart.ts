/** Starting the process that answers for names on networks, and what it does. */
import { closeSync, openSync } from "node:fs";
import { type Paths, resolverDirectory } from "../../container/paths.ts";
import { carryOut } from "../../container/plans.ts";
import { VitrineError } from "../../errors.ts";
import { hasDevice } from "../../network/hostroutes.ts";
import type { NetworkRecord } from "../../network/record.ts";
import { isReady, logFile, makePlace, relyOn, socketFile } from "../../network/resolver/place.ts";
import { inTurn } from "../../network/turn.ts";
import { RESOLVER_PORT } from "../../plan/network/firewall.ts";
import { enterRoots } from "../../plan/rootgroups.ts";
import type { Engine } from "../context.ts";

export type Place = Pick<Engine, "paths" | "program">;
export type Named = Pick<NetworkRecord, "id" | "name" | "device" | "names">;

const PATIENCE_MS = 10_000;
const PAUSE_MS = 5;

/** One command at a time starts it. */
export async function startResolver({ paths, program }: Place, network: Named): Promise<void> {
  if (!hasDevice(network.device)) return; // whoever sets the bridge up comes again
  makePlace(paths);
  relyOn(paths);
  await inTurn(resolverDirectory(paths), "starting the resolver of names", async () => {
    if (isReady(paths, network)) return;
    const said = (await say(paths, network.name)) ?? (await startAndSay(program, paths, network.name));
    if (said !== "ok")
      throw new VitrineError("UNAVAILABLE", `network ${network.name}: its names cannot be answered: ${said}`, {
        hint: `something else may listen on port ${RESOLVER_PORT} (ss -lunp sport = ${RESOLVER_PORT}), to which port 53 of the gateways leads; vitrine network create --disable-dns makes networks without names`,
      });
  });
}

/** Starts it again if it was killed. Nothing fails if it cannot be. @param used networks that containers are on */
export async function reviveResolver(engine: Place, used: readonly Named[]): Promise<void> {
  for (const network of used)
    if (network.names && !isReady(engine.paths, network)) await startResolver(engine, network).catch(() => undefined);
}

/** What the process does, in the end. */
export async function resolveNames({ paths, stage, facts }: Engine): Promise<void> {
  const { serveNames } = await import("../../network/resolver/serve.ts");
  await serveNames(paths, () => {
    carryOut(stage.path, paths, enterRoots(facts, process.pid, "The resolver of names"));
  });
}

/** In a session of its own; it holds nothing of the caller's. */
async function startAndSay(program: string, paths: Paths, name: string): Promise<string> {
  const log = openSync(logFile(paths), "a", 0o600);
  let child: Bun.Subprocess;
  try {
    child = Bun.spawn([program, "--root", paths.root, "--state", paths.state, "network", "resolve"], {
      stdio: ["ignore", log, log],
      cwd: "/",
      env: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin" },
      detached: true,
    });
    child.unref();
  } finally {
    closeSync(log);
  }
  const end = performance.now() + PATIENCE_MS;
  for (;;) {
    await Bun.sleep(PAUSE_MS);
    const said = await say(paths, name);
    if (said !== undefined) return said;
    if (performance.now() > end)
      return `it did not start within ${PATIENCE_MS / 1000} s: ${logFile(paths)} may tell why`;
  }
}

/** Undefined if nobody listens. */
async function say(paths: Paths, name: string): Promise<string | undefined> {
  const { promise, resolve } = Promise.withResolvers<string | undefined>();
  let said = "";
  await Bun.connect({
    unix: socketFile(paths),
    socket: {
      open: (socket) => {
        socket.write(name);
      },
      data: (_, bytes) => {
        said += bytes.toString();
      },
      close: () => resolve(said === "" ? undefined : said),
      error: () => resolve(undefined),
      connectError: () => resolve(undefined),
    },
  }).catch(() => resolve(undefined));
  return promise;
}
