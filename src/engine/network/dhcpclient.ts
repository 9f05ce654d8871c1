/** The host's DHCP client: which one there is, and how it is called. */
import { spawnSync } from "node:child_process";
import { accessSync, constants } from "node:fs";
import { VitrineError } from "../../errors.ts";

export interface DhcpProgram {
  readonly kind: "udhcpc" | "dhclient";
  readonly argv: readonly string[];
}

const PLACES = ["/usr/sbin", "/sbin", "/usr/bin", "/bin", "/usr/local/sbin", "/usr/local/bin"];

/** @throws NOT_FOUND if there is none */
export function findDhcpProgram(): DhcpProgram {
  const udhcpc = find("udhcpc");
  if (udhcpc) return { kind: "udhcpc", argv: [udhcpc] };
  const busybox = find("busybox");
  if (busybox && hasUdhcpc(busybox)) return { kind: "udhcpc", argv: [busybox, "udhcpc"] };
  const dhclient = find("dhclient");
  if (dhclient) return { kind: "dhclient", argv: [dhclient] };
  throw new VitrineError("NOT_FOUND", "--ip dhcp: this host has no DHCP client", {
    hint: "udhcpc (busybox, udhcpc) or dhclient (isc-dhcp-client) has to be installed",
  });
}

function find(name: string): string | undefined {
  return PLACES.map((directory) => `${directory}/${name}`).find((file) => {
    try {
      accessSync(file, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

function hasUdhcpc(busybox: string): boolean {
  const { status, stdout } = spawnSync(busybox, ["--list"], { encoding: "utf8" });
  return status === 0 && stdout.split("\n").includes("udhcpc");
}
