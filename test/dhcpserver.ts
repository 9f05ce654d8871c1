/** DHCP servers in the network of a test's neighbour. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import type { NetHost } from "./nethost.ts";
import { directory, until } from "./vitrine.ts";

export const hasDnsmasq = spawnSync("dnsmasq", ["--version"]).status === 0;

export interface DhcpServer {
  /** What it has written so far. */
  said(): string;
  /** MAC addresses with a lease now, each with its address. */
  leases(): Map<string, string>;
  close(): Promise<void>;
}

/** @param range "203.0.113.100,203.0.113.120" */
export async function dnsmasq(h: NetHost, range: string, ...more: string[]): Promise<DhcpServer> {
  const server = await dnsmasqAt(h.out, "ext", range, ...more);
  if (!server) throw new Error("dnsmasq is not installed");
  return server;
}

/** Undefined if it is not installed. @param netns its name */
export async function dnsmasqAt(
  netns: string,
  device: string,
  range: string,
  ...more: string[]
): Promise<DhcpServer | undefined> {
  if (!hasDnsmasq) return undefined;
  const place = directory(`dnsmasq-${range.replaceAll(/[^0-9]/g, "-")}`);
  const file = `${place}/leases`;
  writeFileSync(file, "");
  const flags = [
    "-k",
    "--conf-file=/dev/null",
    "--port=0",
    "--user=root",
    `--interface=${device}`,
    "--bind-interfaces",
  ];
  const dhcp = [`--dhcp-range=${range},255.255.255.0,2m`, `--dhcp-leasefile=${file}`, "--log-facility=-", "--no-ping"];
  return started(
    netns,
    ["dnsmasq", ...flags, ...dhcp, "--dhcp-authoritative", `--pid-file=${place}/pid`, ...more],
    () => {
      const lines = readFileSync(file, "utf8")
        .split("\n")
        .map((line) => line.split(" "));
      return new Map(lines.flatMap(([, mac = "", ip = ""]) => (ip === "" ? [] : [[mac, ip]])));
    },
  );
}

/** Busybox's, whose leases may be as short as one likes; it writes its file when it ends only. */
export async function udhcpd(h: NetHost, seconds: number): Promise<DhcpServer> {
  const place = directory("udhcpd");
  const conf = [
    "start 203.0.113.140",
    "end 203.0.113.150",
    "interface ext",
    `option lease ${seconds}`,
    `lease_file ${place}/leases`,
    `pidfile ${place}/pid`,
    "min_lease 2",
    "option subnet 255.255.255.0",
  ];
  writeFileSync(`${place}/conf`, `${conf.join("\n")}\n`);
  writeFileSync(`${place}/leases`, "");
  return started(h.out, ["/bin/busybox", "udhcpd", "-f", `${place}/conf`], () => new Map());
}

async function started(
  netns: string,
  command: readonly string[],
  leases: () => Map<string, string>,
): Promise<DhcpServer> {
  const child: ChildProcess = spawn("nsenter", [`--net=/run/netns/${netns}`, ...command], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  let said = "";
  for (const stream of [child.stdout, child.stderr])
    stream?.on("data", (d) => {
      said += d;
    });
  const gone = new Promise<void>((resolve) => child.on("close", () => resolve()));
  await until(() => /sockets bound|started/.test(said), "the server is there");
  await Bun.sleep(200);
  return {
    said: () => said,
    leases,
    close: async () => {
      child.kill("SIGKILL");
      await gone;
    },
  };
}
