/** The process that answers for names on networks: one for all of a store, started when the first container needs it. */
import { closeSync, openSync } from "node:fs";
import { type Paths, resolverDirectory } from "../container/paths.ts";
import { VitrineError } from "../errors.ts";
import { liveEndpoints } from "../network/endpoints.ts";
import type { NetworkRecord } from "../network/record.ts";
import { isReady, logFile, makePlace, relyOn, socketFile } from "../network/resolver/place.ts";
import { listNetworks } from "../network/store.ts";
import { inTurn } from "../network/turn.ts";
import type { Engine } from "./context.ts";

const PATIENCE_MS = 10_000;
const PAUSE_MS = 5;

/**
 * Names of a network are answered at its gateway's addresses when this resolves; nothing happens for a network without names. The bridge has to
 * be up. @throws UNAVAILABLE
 */
export async function ensureResolver(engine: Pick<Engine, "paths" | "program">, network: NetworkRecord): Promise<void> {
  const { paths, program } = engine;
  if (!network.names) return;
  relyOn(paths); // before it is looked whether it is there
  if (isReady(paths, network)) return;
  makePlace(paths);
  relyOn(paths);
  await inTurn(resolverDirectory(paths), "starting the resolver of names", async () => {
    if (isReady(paths, network)) return;
    const said = (await say(paths, network.name)) ?? (await startAndSay(program, paths, network.name));
    if (said !== "ok")
      throw new VitrineError("UNAVAILABLE", `network ${network.name}: its names cannot be answered: ${said}`, {
        hint: `something else may listen on port 53 of all addresses (ss -lunp sport = 53); vitrine network create --disable-dns makes networks without names`,
      });
  });
}

/** Starts it again if it was killed, and containers need it. Nothing fails if it cannot be. */
export async function reviveResolver(engine: Pick<Engine, "paths" | "program">): Promise<void> {
  const { paths } = engine;
  for (const network of listNetworks(paths))
    if (network.names && !isReady(paths, network) && liveEndpoints(paths, network.name).length > 0)
      await ensureResolver(engine, network).catch(() => undefined);
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
