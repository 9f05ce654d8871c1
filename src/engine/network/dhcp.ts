/** The DHCP client of an endpoint, in words for the planner. */
import type { DhcpClient } from "../../plan/network/dhcp.ts";
import { HOOK, LEASE } from "../../plan/network/dhcp.ts";
import { quote } from "../../plan/op.ts";
import type { DhcpProgram } from "./dhcpclient.ts";

/** So long a start waits for a lease. */
const LEASE_SECONDS = 15;

interface Wanted {
  readonly program: DhcpProgram;
  /** The container's device. */
  readonly device: string;
  /** Directory of the run. */
  readonly run: string;
  /** The command that the hook is, but for its last words. */
  readonly command: readonly string[];
  /** What the server is told that the container is called. */
  readonly hostname: string;
  readonly way: boolean;
}

const dhcpDirectory = (run: string, device: string) => `${run}/dhcp-${device}`;

export function dhcpClient({ program, device, run, command, hostname, way }: Wanted): DhcpClient {
  const directory = dhcpDirectory(run, device);
  const script = `${directory}/${HOOK}`;
  const hook = [...command, "network", "leased", run, device].map(quote).join(" ");
  // Before there is a lease there is nothing to be taken back; the client says so at its start and at its end.
  const text = `#!/bin/sh\ncase "$1$reason" in deconfig | PREINIT | RELEASE | STOP | MEDIUM | ARPCHECK | ARPSEND) [ -e ${quote(`${directory}/${LEASE}`)} ] || exit 0 ;; esac\nexec ${hook} "$@"\n`;
  const files = [{ name: HOOK, text, mode: 0o700 }];
  const common = { directory, seconds: LEASE_SECONDS, way };
  if (program.kind === "udhcpc") {
    const flags = [
      "-f",
      "-R",
      "-i",
      device,
      "-s",
      script,
      "-t",
      "5",
      "-T",
      "2",
      "-A",
      "2",
      "-x",
      `hostname:${hostname}`,
    ];
    return { ...common, argv: [...program.argv, ...flags], files };
  }
  const conf = `send host-name "${hostname}";\ntimeout 60;\nretry 5;\ninitial-interval 1;\nbackoff-cutoff 3;\n`;
  const own = ["-cf", `${directory}/conf`, "-lf", `${directory}/leases`, "-pf", `${directory}/pid`];
  const dhclient = (...flags: string[]) =>
    [...program.argv, "-4", ...flags, "-sf", script, ...own, device].map(quote).join(" ");
  // It does not give an address back because it is told to end: another one does, which ends it first.
  const wrapper = `#!/bin/sh\ntrap '${dhclient("-r")}; exit' TERM\n${dhclient("-d")} &\nwait\n`;
  return {
    ...common,
    argv: ["/bin/sh", `${directory}/client`],
    files: [
      ...files,
      { name: "client", text: wrapper, mode: 0o700 },
      { name: "conf", text: conf, mode: 0o600 },
      { name: "leases", text: "", mode: 0o600 },
    ],
  };
}
