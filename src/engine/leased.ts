/** What the hook of a DHCP client does: it runs in the container's network namespace, on the host's files. */
import { closeSync, constants, openSync, renameSync, rmSync, writeFileSync, writeSync } from "node:fs";
import { readRunRecord } from "../container/journal.ts";
import { carryOut } from "../container/plans.ts";
import type { RunRecord } from "../container/record.ts";
import { checkRun } from "../container/runs.ts";
import { VitrineError } from "../errors.ts";
import { HAS_ADDRESS, HAS_NONE, LEASE, TOLD } from "../plan/dhcp.ts";
import type { Endpoint } from "../plan/endpoint.ts";
import { setLease, takeLease } from "../plan/leased.ts";
import { type DhcpLease, eventOf, leaseIn } from "../spec/dhcplease.ts";
import { resolvText } from "../spec/hostsfiles.ts";
import { DEFAULT_RUN } from "../spec/options.ts";
import type { Engine } from "./context.ts";
import { type HeldLease, readLease } from "./heldlease.ts";

type Environment = Readonly<Record<string, string | undefined>>;

/** @param word the hook's argument */
export function heedServer(
  engine: Engine,
  run: string,
  device: string,
  word: string | undefined,
  env: Environment,
): void {
  const directory = checkRun(engine.paths, run);
  const record = readRunRecord(directory);
  const endpoint = record?.input.networks?.endpoints.find(({ name, dhcp }) => name === device && dhcp !== undefined);
  if (!record || !endpoint?.dhcp)
    throw new VitrineError("NOT_FOUND", `${run}: no container with an address by DHCP at ${device}`);
  const held = readLease(endpoint.dhcp.directory);
  const event = eventOf(word, env);
  if (event === "lost") lose(engine, endpoint, held);
  if (event !== "lease") return;
  try {
    const lease = leaseIn(env);
    if (!isSame(lease, held)) {
      carryOut(engine.stage.path, engine.paths, setLease(endpoint, lease, held));
      writeEtcFiles(record, endpoint, lease);
    }
    writeLease(endpoint.dhcp.directory, { ...lease, network: endpoint.network, since: Date.now() });
    tell(endpoint.dhcp.directory, HAS_ADDRESS);
  } catch (error) {
    tell(endpoint.dhcp.directory, HAS_NONE);
    throw error;
  }
}

/** The address is another's now. */
function lose(engine: Engine, endpoint: Endpoint, held: HeldLease | undefined): void {
  if (!held || !endpoint.dhcp) return;
  rmSync(`${endpoint.dhcp.directory}/${LEASE}`, { force: true });
  carryOut(engine.stage.path, engine.paths, takeLease(endpoint, held));
}

function isSame(lease: DhcpLease, held: HeldLease | undefined): boolean {
  if (!held) return false;
  const { network: _, since: __, ...before } = held;
  return JSON.stringify({ ...lease, seconds: 0 }) === JSON.stringify({ ...before, seconds: 0 });
}

function writeLease(directory: string, lease: HeldLease): void {
  const file = `${directory}/${LEASE}`;
  writeFileSync(`${file}.new`, JSON.stringify(lease), { mode: 0o600 });
  renameSync(`${file}.new`, file);
}

/** Files that are mounted keep their inode: they are written in place. */
function writeEtcFiles({ input, options }: RunRecord, endpoint: Endpoint, lease: DhcpLease): void {
  const { files = [], directory, config } = input;
  const made = new Map(files.map(({ name, text }) => [name, text]));
  const hosts = made.get("hosts");
  const hostname = config.hostname ?? "";
  if (hosts !== undefined) writeFileSync(`${directory}/hosts`, `${hosts}${lease.address}\t${hostname}\n`);
  if (endpoint.dhcp?.resolves && made.has("resolv.conf")) {
    const { servers, search } = lease;
    const asked = { ...DEFAULT_RUN, ...options };
    if (servers.length > 0)
      writeFileSync(`${directory}/resolv.conf`, resolvText(asked, [], { servers, search, options: [] }));
  }
}

/** Whoever starts the container hears it; later nobody does. */
function tell(directory: string, word: string): void {
  try {
    const pipe = openSync(`${directory}/${TOLD}`, constants.O_WRONLY | constants.O_NONBLOCK);
    writeSync(pipe, word);
    closeSync(pipe);
  } catch (error) {
    const { code = "" } = error as NodeJS.ErrnoException;
    if (!["ENXIO", "ENOENT", "EPIPE", "EAGAIN"].includes(code)) throw error;
  }
}
