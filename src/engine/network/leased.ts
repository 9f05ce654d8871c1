/** What the hook of a DHCP client does: it runs in the container's network namespace, on the host's files. */
import { closeSync, constants, openSync, renameSync, rmSync, writeFileSync, writeSync } from "node:fs";
import { readRunRecord } from "../../container/journal.ts";
import type { Paths } from "../../container/paths.ts";
import { carryOut } from "../../container/plans.ts";
import type { RunRecord } from "../../container/record.ts";
import { checkRun } from "../../container/runs.ts";
import { VitrineError } from "../../errors.ts";
import { HAS_ADDRESS, HAS_NONE, LEASE, TOLD } from "../../plan/network/dhcp.ts";
import type { Endpoint } from "../../plan/network/endpoint.ts";
import { type LeasedWay, nextWay, setLease, takeLease } from "../../plan/network/leased.ts";
import { type DhcpLease, eventOf, leaseIn } from "../../spec/dhcplease.ts";
import type { Engine } from "../context.ts";
import { type HeldLease, readLease } from "./heldlease.ts";
import { followLease } from "./leasedfiles.ts";
import { connectionsOf } from "./memberships.ts";

type Environment = Readonly<Record<string, string | undefined>>;

/** @param word the hook's argument */
export async function heedServer(
  engine: Engine,
  run: string,
  device: string,
  word: string | undefined,
  env: Environment,
): Promise<void> {
  const { paths, stage } = engine;
  const directory = checkRun(paths, run);
  const record = readRunRecord(directory);
  const endpoint = record?.input.networks?.endpoints.find(({ name, dhcp }) => name === device && dhcp !== undefined);
  if (!record || !endpoint?.dhcp)
    throw new VitrineError("NOT_FOUND", `${run}: no container with an address by DHCP at ${device}`);
  const place = endpoint.dhcp.directory;
  const held = readLease(place);
  const event = eventOf(word, env);
  if (event === "lost" && held) {
    await followLease(paths, directory, record, () => rmSync(`${place}/${LEASE}`, { force: true }));
    const next = wayByNetworks(paths, directory, record);
    carryOut(stage.path, paths, [...takeLease(endpoint, held), ...(next ? nextWay(next) : [])]); // the address is another's now
  }
  if (event !== "lease") return;
  try {
    const lease = leaseIn(env);
    const note = () => writeLease(place, { ...lease, network: endpoint.network, since: Date.now() });
    if (isSame(lease, held)) note();
    else {
      carryOut(stage.path, paths, setLease(endpoint, lease, held, wayOf(paths, directory, record, endpoint)));
      await followLease(paths, directory, record, note);
    }
    tell(place, HAS_ADDRESS);
  } catch (error) {
    tell(place, HAS_NONE);
    throw error;
  }
}

function wayOf(paths: Paths, directory: string, record: RunRecord, { dhcp, name }: Endpoint): LeasedWay {
  if (!dhcp) return "others";
  if (dhcp.way) return "ours";
  if (isAwaited(dhcp.directory)) return "others"; // the container is about to set its own
  const { endpoints = [] } = record.input.networks ?? {};
  const first = endpoints.find((one) => one.dhcp && readLease(one.dhcp.directory)?.gateway !== undefined);
  const led =
    endpoints.some(({ kind, v4 }) => kind !== undefined && v4?.gateway !== undefined) ||
    wayByNetworks(paths, directory, record) !== undefined;
  return !led && (first === undefined || first.name === name) ? "ours" : "free";
}

function wayByNetworks(paths: Paths, directory: string, record: RunRecord) {
  for (const { endpoint } of connectionsOf(paths, { directory }, record)) {
    const { name, v4 } = endpoint;
    if (v4.gateway !== undefined) return { name, gateway: v4.gateway };
  }
  return undefined;
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

/** The start waits for the first lease. */
function isAwaited(directory: string): boolean {
  try {
    closeSync(openSync(`${directory}/${TOLD}`, constants.O_WRONLY | constants.O_NONBLOCK));
    return true;
  } catch {
    return false;
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
