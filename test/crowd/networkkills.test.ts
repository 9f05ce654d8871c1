/** kill -9 at random moments of what works on networks, two at a time: KILLS=N (100). After the next command all is as inspect tells it, and at the end nothing is left. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync } from "node:fs";
import { watchLeaks } from "../leaks.ts";
import { NetHost } from "../nethost.ts";
import { BINARY, busybox, ROOT, STATE, until } from "../vitrine.ts";
import { figure } from "./figures.ts";
import { kill, ours, pick } from "./killing.ts";

setDefaultTimeout(600_000);

let h: NetHost;
beforeAll(() => {
  h = new NetHost();
});
afterAll(() => {
  const left = h.vitrine("ps", "-aq").stdout.split("\n").filter(Boolean); // of a failure
  if (left.length > 0) h.vitrine("rm", "-f", ...left);
  h.close();
});
watchLeaks();

const KILLS = Number(process.env.KILLS ?? 100);
const EACH = Number(process.env.EACH ?? 5);
/** A command is over before that, mostly. */
const LONGEST_MS = 120;

const NETWORKS = { north: "10.92.51", south: "10.92.52", west: "10.92.53" } as const;
type Name = keyof typeof NETWORKS;
const NAMES = Object.keys(NETWORKS) as Name[];
const CONTAINERS = ["k0", "k1", "k2"];

function choose(): readonly string[] {
  const name = pick(CONTAINERS);
  const network = pick(NAMES);
  const port = `80${CONTAINERS.indexOf(name)}0:80`;
  const rootfs = ["--rootfs", busybox()];
  const create = ["network", "create", "--disable-dns", "--subnet", `${NETWORKS[network]}.0/24`, network];
  return pick([
    ["run", "-d", "--name", name, "--network", network, "-p", port, ...rootfs, "sleep", "1000"],
    ["run", "-d", "--name", name, "--network", network, "-p", port, ...rootfs, "sleep", "1000"],
    ["run", "--rm", "--network", network, ...rootfs, "true"],
    ["start", name],
    ["restart", "-t", "0", name],
    ["stop", "-t", "0", name],
    ["rm", "-f", name],
    ["network", "connect", network, name],
    ["network", "connect", network, name],
    ["network", "disconnect", network, name],
    ["network", "disconnect", network, name],
    ["network", "disconnect", "-f", network, name],
    ["network", "rm", network],
    ["network", "down", network],
    ["network", "up", network],
    create,
    create,
    ["ps"],
  ]);
}

const begin = (args: readonly string[]): ChildProcess =>
  spawn("nsenter", [`--net=/run/netns/${h.host}`, BINARY, ...args], {
    stdio: "ignore",
    env: { PATH: process.env.PATH ?? "", HOME: "/root", VITRINE_ROOT: ROOT, VITRINE_STATE: STATE },
  });

interface Told {
  readonly Name: string;
  readonly State: { readonly Running: boolean; readonly Pid: number };
  readonly NetworkSettings: {
    readonly Ports: Readonly<Record<string, readonly { readonly HostPort: string }[] | null>>;
    readonly Networks: Readonly<Record<string, { readonly IPAddress: string }>>;
  };
}

/** What inspect tells of containers that run. */
function told(): Told[] {
  const ids = h.vitrine("ps", "-q").stdout.split("\n").filter(Boolean);
  if (ids.length === 0) return [];
  return (JSON.parse(h.vitrine("inspect", ...ids).stdout) as Told[]).filter(({ State }) => State.Running);
}

const words = (...command: string[]) => h.exec(command).stdout;

/** One line for each thing that inspect tells, and for each that there is. */
function beside(): { readonly told: string[]; readonly found: string[] } {
  const running = told();
  const memberships = running.flatMap(({ NetworkSettings }) => Object.entries(NetworkSettings.Networks));
  const published = running.flatMap(({ NetworkSettings: { Ports, Networks } }) =>
    Object.keys(Networks).length === 0 ? [] : Object.values(Ports).flatMap((list) => list ?? []),
  );
  const devices = (pid: number) => h.exec(["nsenter", `--net=/proc/${pid}/ns/net`, "ip", "-4", "-o", "addr"]).stdout;
  const leases = NAMES.flatMap((name) => {
    try {
      return readdirSync(`${STATE}/networks/${name}/leases`).map((address) => `lease ${address}`);
    } catch {
      return [];
    }
  });
  const elements = words("nft", "list", "ruleset").matchAll(/\. (80\d0) : (10\.92\.5\d\.\d+) \. 80/g);
  return {
    told: [
      ...memberships.map(([, { IPAddress }]) => `lease ${IPAddress}`),
      ...memberships.map(([, { IPAddress }]) => `inside ${IPAddress}`),
      ...memberships.map(() => "veth"),
      ...published.map(({ HostPort }) => `published ${HostPort}`),
    ].sort(),
    found: [
      ...leases,
      ...running.flatMap(({ State }) =>
        [...devices(State.Pid).matchAll(/inet (10\.92\.\S+)\//g)].map(([, address]) => `inside ${address}`),
      ),
      ...words("ip", "-br", "link", "show", "type", "veth")
        .split("\n")
        .filter((line) => line.startsWith("veth"))
        .map(() => "veth"),
      ...[...elements].map(([, port]) => `published ${port}`),
    ].sort(),
  };
}

test(`${KILLS} kills of what works on networks`, async () => {
  const killed = { command: 0, stage: 0 };
  const last: string[] = [];
  let most = 0;
  for (let n = 0; killed.command + killed.stage < KILLS; n++) {
    const pair = [choose(), choose()];
    last.push(...pair.map((args) => args.join(" ")));
    const children = pair.map(begin);
    const over = Promise.all(children.map((child) => once(child, "exit")));
    await Bun.sleep(Math.random() * LONGEST_MS);
    const [child] = children;
    const before = killed.command + killed.stage;
    if (n % 2 === 0) killed.command += Number(child?.exitCode === null && kill(child.pid));
    else killed.stage += Number(kill(pick(ours())));
    await over;
    if (killed.command + killed.stage > before) last.push(n % 2 === 0 ? "command killed" : "stage killed");
    if (n % EACH !== 0) continue;
    const { status, stderr } = h.vitrine("ps", "-a");
    expect({ last, status, stderr }).toEqual({ last, status: 0, stderr: "" });
    let now = beside();
    await until(() => {
      now = beside(); // devices go some time after
      return now.told.join() === now.found.join();
    }, "what inspect tells").catch(() => undefined);
    expect({ last, found: now.found }).toEqual({ last, found: now.told });
    most = Math.max(most, now.told.length);
    last.length = 0;
  }
  h.vitrine("ps", "-a");
  for (const name of h.vitrine("ps", "-a", "--format", "{{.Names}}").stdout.split("\n").filter(Boolean)) {
    const { status, stderr } = h.vitrine("rm", "-f", name);
    expect({ name, status, stderr }).toEqual({ name, status: 0, stderr: "" });
  }
  for (const name of h.vitrine("network", "ls", "--format", "{{.Name}}").stdout.split("\n").filter(Boolean))
    expect(h.vitrine("network", "rm", name).stderr).toBe("");
  h.vitrine("gc");
  expect(beside()).toEqual({ told: [], found: [] });
  expect(words("nft", "list", "ruleset")).not.toContain("vt-");
  expect(words("ip", "-br", "link")).not.toContain("vt-");
  expect(most).toBeGreaterThan(4);
  figure("kills on networks", {
    "of commands": killed.command,
    "of stages and monitors": killed.stage,
    "left over": 0,
  });
});
