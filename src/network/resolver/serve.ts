/** The process that answers for names, on all networks of a store that have them; it ends when nobody is on one any more. */
import { appendFileSync, renameSync, rmSync, statSync } from "node:fs";
import type { Paths } from "../../container/paths.ts";
import { VitrineError } from "../../errors.ts";
import { leasedAddresses, liveEndpoints } from "../endpoints.ts";
import { listNetworks } from "../store.ts";
import { Listener, type Shared } from "./listener.ts";
import { NetworkNames } from "./names.ts";
import { logFile, makePlace, markReady, sinceAsked, socketFile, unmarkAll, unmarkReady } from "./place.ts";
import { Upstream } from "./upstream.ts";

const RESOLV_CONF = "/etc/resolv.conf";
const BEGIN_MS = 20;
const LOOK_MS = 2000;
/** After the last lease, and after the last command that relied on it. */
const PATIENCE_MS = 5000;
const MOST_LOG = 65536;

/** Until nobody needs it any more. @param begun what is to be done once it answers @throws CONFLICT if another one is there */
export async function serveNames(paths: Paths, begun: () => void): Promise<void> {
  makePlace(paths);
  if (await isServed(paths))
    throw new VitrineError("CONFLICT", `${socketFile(paths)}: another process answers for names`);
  unmarkAll(paths);
  const server = new Server(paths, begun);
  process.on("uncaughtException", (error) => server.note(`failed: ${error}`)); // the others go on
  process.on("unhandledRejection", (error) => server.note(`failed: ${error}`));
  const asked = server.listenForCommands();
  try {
    await server.untilIdle();
  } finally {
    server.close(); // before the next one can start
    asked.stop(true);
  }
}

async function isServed(paths: Paths): Promise<boolean> {
  try {
    const socket = await Bun.connect({ unix: socketFile(paths), socket: { data() {} } });
    socket.terminate();
    return true;
  } catch {
    return false;
  }
}

class Server {
  readonly #paths: Paths;
  /** By the network's id. */
  readonly #listeners = new Map<string, Listener>();
  readonly #shared: Shared;
  #begun: (() => void) | undefined;

  constructor(paths: Paths, begun: () => void) {
    this.#paths = paths;
    this.#begun = begun;
    const isOwn = (address: string) => [...this.#listeners.values()].some(({ gateways }) => gateways.includes(address));
    const names = () => [...this.#listeners.values()].map((listener) => listener.names);
    this.#shared = { upstream: new Upstream(RESOLV_CONF, isOwn), networks: names, asked: 0 };
  }

  /** Each connection says a network's name, and is told "ok" or what is wrong. */
  listenForCommands() {
    rmSync(socketFile(this.#paths), { force: true });
    return Bun.listen<undefined>({
      unix: socketFile(this.#paths),
      socket: {
        data: (socket, bytes) => {
          void this.#serve(bytes.toString()).then(
            () => {
              socket.end("ok");
              setTimeout(() => this.#begin(), BEGIN_MS); // whoever waits goes first
            },
            (error) => socket.end(error instanceof Error ? error.message : String(error)),
          );
        },
        error: () => {},
      },
    });
  }

  async #serve(name: string): Promise<void> {
    const network = listNetworks(this.#paths).find((one) => one.name === name && one.names);
    if (!network) throw new VitrineError("NOT_FOUND", `no network "${name}" with names`);
    if (this.#listeners.has(network.id)) return markReady(this.#paths, network);
    this.#dropRemoved(); // one that had the same gateway perhaps
    const listener = new Listener(new NetworkNames(this.#paths, network), this.#shared);
    try {
      await listener.open();
    } catch (error) {
      this.note(`network ${name}: ${error}`);
      throw error;
    }
    this.#listeners.set(network.id, listener);
    markReady(this.#paths, network);
  }

  #begin(): void {
    const begun = this.#begun;
    this.#begun = undefined;
    try {
      begun?.();
    } catch (error) {
      this.note(String(error));
    }
  }

  async untilIdle(): Promise<void> {
    for (let idle = performance.now(); ; ) {
      await Bun.sleep(LOOK_MS);
      this.#dropRemoved();
      if (this.#isNeeded()) idle = performance.now();
      else if (performance.now() - idle >= PATIENCE_MS && sinceAsked(this.#paths) >= PATIENCE_MS && this.#end()) return;
    }
  }

  #dropRemoved(): void {
    const there = new Set(listNetworks(this.#paths).map(({ id }) => id));
    for (const [id, listener] of this.#listeners)
      if (!there.has(id)) {
        listener.close();
        this.#listeners.delete(id);
        unmarkReady(this.#paths, { id });
      }
  }

  #isNeeded(): boolean {
    return [...this.#listeners.values()].some(
      ({ names: { network } }) =>
        leasedAddresses(this.#paths, network.name).length > 0 && liveEndpoints(this.#paths, network.name).length > 0,
    );
  }

  /** First nobody finds it any more; who has relied on it meanwhile keeps it. */
  #end(): boolean {
    for (const id of this.#listeners.keys()) unmarkReady(this.#paths, { id });
    if (sinceAsked(this.#paths) >= PATIENCE_MS && !this.#isNeeded()) return true;
    for (const id of this.#listeners.keys()) markReady(this.#paths, { id });
    return false;
  }

  close(): void {
    for (const listener of this.#listeners.values()) listener.close();
    this.#listeners.clear();
  }

  note(text: string): void {
    const file = logFile(this.#paths);
    try {
      if ((statSync(file, { throwIfNoEntry: false })?.size ?? 0) > MOST_LOG) renameSync(file, `${file}.1`);
      appendFileSync(file, `${new Date().toISOString()} ${text}\n`, { mode: 0o600 });
    } catch {
      // a full file system
    }
  }
}
