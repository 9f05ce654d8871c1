/** A device of the host's comes back from a container that has ended, whatever that has called it meanwhile. */
import { readFileSync } from "node:fs";
import { emit } from "../../container/events.ts";
import { carryOut } from "../../container/plans.ts";
import { macBytes } from "../../linux/ip.ts";
import { isSameLink, type LinkInfo, linksIn, readLinkInfo } from "../../linux/linkinfo.ts";
import { hasDevice } from "../../network/hostroutes.ts";
import { readLinksIn, sendHome, settle } from "../../plan/network/takeback.ts";
import type { Engine } from "../context.ts";

export interface Away {
  /** The name of the container's network namespace. */
  readonly namespaceFile: string;
  /** What the kernel said of it there. */
  readonly note: string;
  /** Its name on the host, and inside as it was asked for. */
  readonly device: string;
  readonly name: string;
  readonly wasUp: boolean;
  /** Of the container. */
  readonly id: string;
}

/** Can be done again after a kill. @returns what there is to be told: undefined if it is as it was */
export function takeDeviceBack(engine: Engine, away: Away): string | undefined {
  const { paths, stage } = engine;
  const { namespaceFile, device, name, wasUp, id } = away;
  const noted = readLinkInfo(readFileSync(away.note));
  if (!noted) return lost(engine, away, "what was noted of it cannot be read");
  const between = `vt${noted.index.toString(36).slice(-4)}-${id.slice(0, 8)}`;
  if (!hasDevice(between)) {
    const links = readLinks(engine, namespaceFile);
    if (!links) return lost(engine, away, "there are too many devices in the container's network to look through");
    const found = theSame(noted, links);
    if (!found) return lost(engine, away, "the container has deleted it, or moved it elsewhere");
    carryOut(stage.path, paths, [sendHome(namespaceFile, found, between)]);
  }
  const mac = noted.mac === "" ? new Uint8Array() : macBytes(noted.mac);
  const names = [...new Set([device, name])];
  const taken = names.filter(hasDevice);
  carryOut(stage.path, paths, [settle(between, names, wasUp, mac, noted.mtu)]);
  const now = [...names, between].find((one) => !taken.includes(one)) ?? between;
  if (now === device) return undefined;
  return tell(engine, away, `it is called ${now}, for there is another ${taken.join(", and another ")} by now`);
}

function theSame(noted: LinkInfo, links: readonly LinkInfo[]): LinkInfo | undefined {
  const same = links.filter((link) => isSameLink(noted, link));
  return same.length > 1 ? same.find(({ index }) => index === noted.index) : same[0];
}

const lost = (engine: Engine, away: Away, why: string) => tell(engine, away, `it has not come back: ${why}`);

function tell({ paths }: Engine, { device, id }: Away, what: string): string {
  emit(paths, "network", "device", id, { name: device, container: id, error: what });
  return `${device}, the device of this host that container ${id.slice(0, 12)} had: ${what}`;
}

/** So many parts of the list at first, and at most: some 15 devices each. */
const PARTS = { first: 4, most: 1024 };

function readLinks({ paths, stage }: Engine, file: string): LinkInfo[] | undefined {
  for (let most = PARTS.first; most <= PARTS.most; most *= 4) {
    const { op, parts } = readLinksIn(file, most);
    const { report, numberOf } = carryOut(stage.path, paths, [op]);
    const links = linksIn(
      parts.flatMap(({ bytes, length }) => {
        const size = Number(report.records[numberOf(length)]?.result ?? 0n);
        return size > 0 ? [report.output(bytes).subarray(0, size)] : [];
      }),
    );
    if (links) return links;
  }
  return undefined;
}
