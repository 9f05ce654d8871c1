/** Names of containers on networks: the resolver, in a host of its own with clients, a stranger, and name servers to ask. */
import { afterAll, afterEach, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { type ChildProcess, execFileSync, spawn, spawnSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { processSuffix } from "../../src/container/identity.ts";
import { startTime } from "../../src/container/process.ts";
import { tableOf } from "../../src/engine/network/table.ts";
import { networkScript, RESOLVER_PORT, tableScript } from "../../src/plan/network/firewall.ts";
import type { Asked, Told } from "../resolver/client.ts";
import { BINARY, directory, ROOT, STATE, until, vitrine } from "../vitrine.ts";

setDefaultTimeout(60_000);

const HOST = "vtr-host";
const SCRATCH = directory("resolver");
const LOG = `${SCRATCH}/asked`;
const RESOLV_CONF = `${SCRATCH}/resolv.conf`;
const RESOLVER = `${STATE}/networks/.resolver`;
const BUN = process.execPath;
const HERE = `${import.meta.dir}/../resolver`;

/** Networks: name, gateways, and clients with their addresses. */
const ONE = { name: "one", bridge: "vtr-one", v4: "10.92.1.1", v6: "fd12:1::1" };
const TWO = { name: "two", bridge: "vtr-two", v4: "10.92.2.1", v6: "fd12:2::1" };
const SHUT = { name: "shut", bridge: "vtr-shut", v4: "10.92.3.1", v6: undefined };

const sh = (...words: string[]) => execFileSync(words[0] ?? "", words.slice(1), { stdio: ["ignore", "pipe", "pipe"] });
const inHost = (...words: string[]) => sh("ip", "netns", "exec", HOST, ...words);

let upstream: ChildProcess | undefined;

beforeAll(async () => {
  const networks = [
    [...[ONE.v4, ONE.v6], ONE.bridge, ONE.name],
    [...[TWO.v4, TWO.v6], TWO.bridge, TWO.name],
  ] as const;
  for (const [v4, v6, bridge, name] of networks)
    create(["--subnet", subnet(v4), "--subnet", `${v6.slice(0, -1)}/64`, "--interface-name", bridge, name]);
  create(["--internal", "--ipv6=false", "--subnet", subnet(SHUT.v4), "--interface-name", SHUT.bridge, SHUT.name]);
  create(["--disable-dns", "--ipv6=false", "--subnet", "10.92.9.0/24", "plain"]);
  sh("ip", "netns", "add", HOST);
  inHost("ip", "link", "set", "lo", "up");
  for (const { bridge, v4, v6 } of [ONE, TWO, SHUT]) {
    inHost("ip", "link", "add", bridge, "address", macOf(v4), "type", "bridge");
    inHost("ip", "address", "add", `${v4}/24`, "dev", bridge);
    if (v6 !== undefined) inHost("ip", "address", "add", `${v6}/64`, "dev", bridge, "nodad");
    inHost("ip", "link", "set", bridge, "up");
  }
  leadToResolver();
  client(
    "vtr-web",
    [ONE.bridge, "10.92.1.2/24", "fd12:1::a5c:102/64"],
    [TWO.bridge, "10.92.2.2/24", "fd12:2::a5c:202/64"],
  );
  client("vtr-db", [ONE.bridge, "10.92.1.3/24", "fd12:1::a5c:103/64"]);
  client("vtr-alone", [SHUT.bridge, "10.92.3.2/24"]);
  client("vtr-out", ["", "203.0.113.2/24"]);
  inHost("ip", "address", "add", "203.0.113.1/24", "dev", "p-vtr-out-0");
  sh("ip", "-n", "vtr-out", "route", "add", "default", "via", "203.0.113.1");
  servers("127.0.0.1", "127.0.0.2");
  writeFileSync(LOG, "");
  upstream = spawn("ip", ["netns", "exec", HOST, BUN, `${HERE}/upstream.ts`, LOG, "127.0.0.1", "127.0.0.2", "::1"], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  await new Promise((resolve) => upstream?.stdout?.once("data", resolve));
});

afterEach(() => {
  for (const name of ["one", "two", "shut"])
    rmSync(`${STATE}/networks/${name}/leases`, { recursive: true, force: true });
  rmSync(`${STATE}/runs`, { recursive: true, force: true });
});

afterAll(async () => {
  upstream?.kill("SIGKILL");
  const pid = resolver();
  if (pid !== undefined) process.kill(pid, "SIGKILL");
  vitrine(["network", "prune", "--force"]); // other files' may have the same names
  for (const name of ["vtr-web", "vtr-db", "vtr-alone", "vtr-out", HOST]) sh("ip", "netns", "delete", name);
});

/** As a bridge of ours has it: clients that know it go on when a command sets the bridge right. */
const macOf = (gateway: string) =>
  `02:42:${gateway
    .split(".")
    .map((byte) => Number(byte).toString(16).padStart(2, "0"))
    .join(":")}`;
const subnet = (gateway: string) => gateway.replace(/\.\d+$/, ".0/24");
const servers = (...addresses: string[]) =>
  writeFileSync(RESOLV_CONF, `${addresses.map((address) => `nameserver ${address}\n`).join("")}options timeout:1\n`);

/** What `network up` sees to, besides bridges. */
function leadToResolver(): void {
  const table = tableOf({ root: ROOT, state: STATE });
  const networks = [ONE, TWO, SHUT].map(({ bridge, v4, v6 }) => ({
    device: bridge,
    v4: { subnet: subnet(v4), gateway: v4 },
    ...(v6 === undefined ? {} : { v6: { subnet: `${v6.slice(0, -1)}/64`, gateway: v6 } }),
    internal: v6 === undefined,
    masquerade: true,
    names: true,
  }));
  const input = [
    tableScript(table, { v4: [], v6: [] }),
    ...networks.map((network) => networkScript(table, network, "add")),
  ].join("");
  execFileSync("ip", ["netns", "exec", HOST, "nft", "-f", "-"], { input });
}

function create(args: readonly string[]): void {
  const { status, stderr } = vitrine(["network", "create", ...args]);
  expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
}

/** With a port on each bridge; without one, a cable to the host. */
function client(name: string, ...ports: (readonly [bridge: string, ...addresses: string[]])[]): void {
  sh("ip", "netns", "add", name);
  sh("ip", "-n", name, "link", "set", "lo", "up");
  for (const [i, [bridge, ...addresses]] of ports.entries()) {
    const port = `p-${name}-${i}`;
    inHost("ip", "link", "add", port, "type", "veth", "peer", "name", `eth${i}`, "netns", name);
    if (bridge) inHost("ip", "link", "set", port, "master", bridge);
    inHost("ip", "link", "set", port, "up");
    for (const address of addresses)
      sh("ip", "-n", name, "address", "add", address, "dev", `eth${i}`, ...(address.includes(":") ? ["nodad"] : []));
    sh("ip", "-n", name, "link", "set", `eth${i}`, "up");
  }
}

/** As a run that goes on has it. @param digit of the container's id */
function lease(network: string, address: string, digit: string, ...names: string[]): void {
  const leases = `${STATE}/networks/${network}/leases`;
  mkdirSync(leases, { recursive: true });
  const run = `${digit.repeat(64)}.${processSuffix(process.pid, startTime(process.pid) ?? "")}`;
  mkdirSync(`${STATE}/runs/${run}`, { recursive: true }); // what has none is nobody's
  rmSync(`${leases}/${address}`, { force: true });
  symlinkSync(JSON.stringify({ run, names, mac: "" }), `${leases}/${address}`);
}

const release = (network: string, address: string) => rmSync(`${STATE}/networks/${network}/leases/${address}`);

/** As the start of a container does it, on that host. */
function ensure(...networks: string[]) {
  const words = [BUN, `${HERE}/ensure.ts`, ROOT, STATE, BINARY, ...networks].join(" ");
  const script = `mount --bind ${RESOLV_CONF} /etc/resolv.conf && exec ${words}`;
  const { status, stdout, stderr } = spawnSync(
    "ip",
    ["netns", "exec", HOST, "unshare", "--mount", "sh", "-c", script],
    {
      encoding: "utf8",
    },
  );
  return { status, stdout, stderr };
}

/** And somebody is on each of them: a resolver that nobody needs ends. */
function up(...networks: string[]): void {
  for (const { name, v4 } of [ONE, TWO, SHUT])
    if (networks.includes(name)) lease(name, v4.replace(/1$/, "254"), "e", "keeper");
  expect(ensure(...networks)).toEqual({ status: 0, stdout: "", stderr: "" });
}

/** Its process, if it is there. */
function resolver(): number | undefined {
  if (!existsSync(RESOLVER)) return undefined;
  for (const name of readdirSync(RESOLVER).filter((found) => /^[0-9a-f]{64}$/.test(found))) {
    const [pid, start] = readlinkSync(`${RESOLVER}/${name}`).split(".").map(Number);
    if (pid !== undefined && startTime(pid) === String(start)) return pid;
  }
  return undefined;
}

/** Of all that run, by their command lines. */
function resolvers(): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        const words = readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
        return words.includes("resolve") && words.includes(STATE);
      } catch {
        return false;
      }
    })
    .map(Number);
}

async function ask(from: string, ...asked: Asked[]): Promise<Told[]> {
  const child = spawn("ip", ["netns", "exec", from, BUN, `${HERE}/client.ts`, JSON.stringify(asked)], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  let text = "";
  child.stdout.on("data", (more) => {
    text += more;
  });
  await new Promise((resolve) => child.on("close", resolve));
  return JSON.parse(text);
}

/** Answers, or what is said instead. */
async function answers(from: string, ...asked: Asked[]): Promise<string[]> {
  return (await ask(from, ...asked)).map(({ none, code, answers = [] }) =>
    none ? "nothing" : code === "NOERROR" ? answers.join(", ") : (code ?? ""),
  );
}

const passedOn = () => readFileSync(LOG, "utf8");

/** Of the container with this address of IPv4 on network "one". */
const reversed6 = (...bytes: number[]) => {
  const all = [0xfd, 0x12, 0, 1, ...new Array(8).fill(0), ...bytes];
  const digits = all.map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return `${digits.split("").reverse().join(".")}.ip6.arpa`;
};

describe("names of containers", () => {
  test("by name, alias, id and address, by both families, by UDP and TCP", async () => {
    lease("one", "10.92.1.2", "a", "web", "www", "Front.End");
    lease("one", "10.92.1.3", "b", "db", "www");
    up("one");
    writeFileSync(LOG, "");
    const server = ONE.v4;
    const cases: [Omit<Asked, "server"> & { server?: string }, string][] = [
      [{ name: "web" }, "A 10.92.1.2"],
      [{ name: "web", type: "AAAA" }, "AAAA fd12:1::a5c:102"],
      [{ name: "web", type: "ANY" }, "A 10.92.1.2, AAAA fd12:1::a5c:102"],
      [{ name: "WeB.oNe" }, "A 10.92.1.2"],
      [{ name: "front.end" }, "A 10.92.1.2"],
      [{ name: "www" }, "A 10.92.1.2, A 10.92.1.3"],
      [{ name: "www", type: "AAAA" }, "AAAA fd12:1::a5c:102, AAAA fd12:1::a5c:103"],
      [{ name: "a".repeat(12) }, "A 10.92.1.2"],
      [{ name: "2.1.92.10.in-addr.arpa", type: "PTR" }, "PTR web.one"],
      [{ name: reversed6(10, 92, 1, 3), type: "PTR" }, "PTR db.one"],
      [{ name: "2.1.92.10.in-addr.arpa", type: "A" }, ""],
      [{ name: "9.1.92.10.in-addr.arpa", type: "PTR" }, "NXDOMAIN"],
      [{ name: reversed6(10, 92, 1, 9), type: "PTR" }, "NXDOMAIN"],
      [{ name: "web", type: "MX" }, ""],
      [{ name: "web", type: "UNKNOWN_65" }, ""],
      [{ name: "web", type: "AXFR" }, "REFUSED"],
      [{ name: "localhost" }, "A 127.0.0.1"],
      [{ name: "x.localhost", type: "AAAA" }, "AAAA ::1"],
      [{ name: "db", tcp: true }, "A 10.92.1.3"],
      [{ server: ONE.v6, name: "db", type: "AAAA" }, "AAAA fd12:1::a5c:103"],
      [{ server: ONE.v6, name: "db", tcp: true }, "A 10.92.1.3"],
      [{ name: "nobody" }, "NXDOMAIN"],
      [{ name: "nobody", type: "MX" }, "NXDOMAIN"],
    ];
    const told = await answers("vtr-db", ...cases.map(([asked]) => ({ server, ...asked })));
    expect(cases.map(([asked], i) => [asked, told[i]])).toEqual(cases.map(([asked, wanted]) => [asked, wanted]));
    expect(passedOn()).toBe("");
  });

  test("what has EDNS is answered with EDNS, what has not is not; small answers are cut", async () => {
    for (let i = 2; i < 60; i++) lease("one", `10.92.1.${i}`, "a", "many");
    up("one");
    const server = ONE.v4;
    const [plain, edns, tcp] = await ask(
      "vtr-db",
      { server, name: "many" },
      { server, name: "many", edns: 4096 },
      { server, name: "many", tcp: true },
    );
    expect(plain).toMatchObject({ code: "NOERROR", answers: [], flags: { tc: true }, edns: false });
    expect(edns?.answers?.length).toBe(58);
    expect(edns).toMatchObject({ flags: { aa: true, tc: false, ra: true }, edns: true });
    expect(tcp?.answers?.length).toBe(58);
  });

  test("as they come and go", async () => {
    up("one");
    const server = ONE.v4;
    for (let i = 0; i < 5; i++) {
      lease("one", "10.92.1.3", "b", `name-${i}`);
      expect(await answers("vtr-db", { server, name: `name-${i}` })).toEqual(["A 10.92.1.3"]);
      if (i > 0) expect(await answers("vtr-db", { server, name: `name-${i - 1}` })).toEqual(["NXDOMAIN"]);
    }
    release("one", "10.92.1.3");
    expect(await answers("vtr-db", { server, name: "name-4" })).toEqual(["NXDOMAIN"]);
  });

  test("a thousand", async () => {
    for (let i = 0; i < 1000; i++)
      lease("one", `10.92.1.${(i % 250) + 2}`, "b", ...Array.from({ length: 4 }, (_, j) => `n-${i}-${j}`));
    const names = Array.from({ length: 250 }, (_, i) => `n-${i + 750}-${i % 4}`);
    up("one");
    expect(await answers("vtr-db", ...names.map((name) => ({ server: ONE.v4, name })))).toEqual(
      names.map((_, i) => `A 10.92.1.${((i + 750) % 250) + 2}`),
    );
  });

  test("of the networks that a container is on, whichever resolver it asks; of no other", async () => {
    lease("one", "10.92.1.2", "a", "web");
    lease("two", "10.92.2.2", "a", "web");
    lease("one", "10.92.1.3", "b", "db");
    lease("two", "10.92.2.9", "c", "far");
    lease("shut", "10.92.3.9", "d", "deep");
    up("one", "two", "shut");
    expect(
      await answers(
        "vtr-web",
        { server: ONE.v4, name: "far" },
        { server: ONE.v4, name: "far.two" },
        { server: TWO.v4, name: "db" },
        { server: ONE.v4, name: "web" },
        { server: TWO.v4, name: "web" },
        { server: ONE.v4, name: "9.2.92.10.in-addr.arpa", type: "PTR" },
        { server: ONE.v4, name: "deep" },
        { server: ONE.v4, name: "deep.shut" },
      ),
    ).toEqual([
      "A 10.92.2.9",
      "A 10.92.2.9",
      "A 10.92.1.3",
      "A 10.92.1.2",
      "A 10.92.2.2",
      "PTR far.two",
      "NXDOMAIN",
      "NXDOMAIN",
    ]);
    expect(await answers("vtr-db", { server: ONE.v4, name: "far" }, { server: ONE.v4, name: "far.two" })).toEqual([
      "NXDOMAIN",
      "NXDOMAIN",
    ]);
  });

  test("strangers get no answer, of whatever kind; nobody does on networks without names", async () => {
    lease("one", "10.92.1.2", "a", "web");
    up("one", "plain");
    inHost("sysctl", "-qw", "net.ipv4.ip_forward=1");
    expect(await answers("vtr-db", { server: ONE.v4, name: "web" })).toEqual(["A 10.92.1.2"]);
    expect(
      await answers(
        "vtr-out",
        { server: ONE.v4, name: "web", patience: 700 },
        { server: ONE.v4, name: "web", tcp: true, patience: 700 },
        { server: ONE.v4, name: "a.example", patience: 700 },
        { server: ONE.v4, raw: "00", patience: 700 },
        { server: ONE.v4, raw: "0".repeat(24), patience: 700 },
        { server: TWO.v4, name: "web", patience: 700 }, // its resolver was not asked for, or not any more
      ),
    ).toEqual(["nothing", "nothing", "nothing", "nothing", "nothing", "nothing"]);
  });
});

describe("everything else is asked of the host's name servers", () => {
  test("answers as they come; the second one where the first fails", async () => {
    servers("127.0.0.1", "127.0.0.2");
    lease("one", "10.92.1.3", "b", "db");
    up("one");
    const server = ONE.v4;
    const told = await ask(
      "vtr-db",
      { server, name: "a.example" },
      { server, name: "A.eXample", tcp: true },
      { server, name: "a.example", type: "AAAA" },
      { server, name: "none.example" },
      { server, name: "slow.example" },
      { server, name: "refused.example" },
      { server, name: "lost.example" },
      { server, name: "1.2.0.192.in-addr.arpa", type: "PTR" },
    );
    expect(told.map(({ code, answers = [] }) => [code, ...answers])).toEqual([
      ["NOERROR", "A 192.0.2.1"],
      ["NOERROR", "A 192.0.2.1"],
      ["NOERROR"],
      ["NXDOMAIN"],
      ["NOERROR", "A 192.0.2.2"],
      ["NOERROR", "A 192.0.2.3"],
      ["SERVFAIL"],
      ["NXDOMAIN"],
    ]);
    expect(told[4]?.milliseconds).toBeLessThan(3000);
    expect(told[6]?.milliseconds).toBeLessThan(6000);
    expect(passedOn()).toContain("tcp A.eXample A");
  });

  test("long answers: cut for UDP, whole by TCP; a rude server's too", async () => {
    up("one");
    const server = ONE.v4;
    const type = "TXT";
    const [cut, whole, rude, rudeEdns] = await ask(
      "vtr-db",
      { server, name: "big.example", type },
      { server, name: "big.example", type, tcp: true },
      { server, name: "rude.example", type },
      { server, name: "rude.example", type, edns: 1232 },
    );
    expect(cut).toMatchObject({ code: "NOERROR", answers: [], flags: { tc: true } });
    expect(whole?.answers?.length).toBe(40);
    expect(rude).toMatchObject({ code: "NOERROR", answers: [], flags: { tc: true }, edns: false });
    expect(rude?.length).toBeLessThan(512);
    expect(rudeEdns).toMatchObject({ answers: [], flags: { tc: true }, edns: true });
  });

  test("EDNS goes through as it is", async () => {
    up("one");
    const server = ONE.v4;
    const told = await answers(
      "vtr-db",
      { server, name: "edns.example", type: "TXT" },
      { server, name: "edns.example", type: "TXT", edns: 1400 },
    );
    expect(told).toEqual(["TXT none", "TXT 1400 true 0"]);
  });

  test("what does not fit the question is no answer to it", async () => {
    up("one");
    expect(await answers("vtr-db", { server: ONE.v4, name: "forged.example" })).toEqual(["A 192.0.2.4"]);
  });

  test("a resolv.conf that changes is followed; what it names of ours is not asked", async () => {
    up("one");
    servers("127.0.0.77", ONE.v4);
    await Bun.sleep(1100);
    const [none] = await ask("vtr-db", { server: ONE.v4, name: "a.example" });
    expect(none).toMatchObject({ code: "SERVFAIL" });
    servers("127.0.0.2");
    await Bun.sleep(1100);
    expect(await answers("vtr-db", { server: ONE.v4, name: "a.example" })).toEqual(["A 192.0.2.1"]);
    servers("::1");
    await Bun.sleep(1100);
    writeFileSync(LOG, "");
    expect(
      await answers("vtr-db", { server: ONE.v4, name: "a.example" }, { server: ONE.v4, name: "a.example", tcp: true }),
    ).toEqual(["A 192.0.2.1", "A 192.0.2.1"]);
    expect(passedOn().split("\n").sort()).toEqual(["", "::1 tcp a.example A", "::1 udp a.example A"]);
    servers("127.0.0.1", "127.0.0.2");
    await Bun.sleep(1100);
  });

  test("nothing leaves an internal network", async () => {
    lease("shut", "10.92.3.2", "d", "deep");
    up("shut");
    writeFileSync(LOG, "");
    const server = SHUT.v4;
    expect(
      await answers(
        "vtr-alone",
        { server, name: "deep" },
        { server, name: "deep", type: "AAAA" },
        { server, name: "a.example" },
      ),
    ).toEqual(["A 10.92.3.2", "", "REFUSED"]);
    expect(passedOn()).toBe("");
  });
});

describe("bad clients", () => {
  test("packets that are none", async () => {
    lease("one", "10.92.1.3", "b", "db");
    up("one");
    const server = ONE.v4;
    const head = (flags: string, counts: string) => `1234${flags}${counts}`;
    const question = "02646200" + "00010001";
    const asked: [raw: string, wanted: string][] = [
      ["", "nothing"],
      ["1234", "nothing"],
      [`${head("8180", "0001000000000000")}${question}`, "nothing"], // an answer
      [`${head("2800", "0001000000000000")}${question}`, "NOTIMP"], // an update
      [head("0100", "0001000000000000"), "FORMERR"], // cut
      [`${head("0100", "0002000000000000")}${question}${question}`, "FORMERR"],
      [`${head("0100", "0001000100000000")}${question}`, "FORMERR"],
      [`${head("0100", "ffffffffffffffff")}${question}`, "FORMERR"],
      [`${head("0100", "0001000000000000")}c00c00010001`, "FORMERR"], // a name that begins with itself
      [`${head("0100", "0001000000000000")}${"3f".padEnd(128, "61").repeat(5)}0000010001`, "FORMERR"],
      [`${head("0100", "0001000000000000")}0264620000010003`, "REFUSED"], // Chaosnet
      [`${head("0100", "0001000000000000")}${question}`, "A 10.92.1.3"], // the control
    ];
    const told = await answers("vtr-db", ...asked.map(([raw]) => ({ server, raw, patience: 700 })));
    expect(asked.map(([raw], i) => [raw, told[i]])).toEqual(asked.map(([raw, wanted]) => [raw, wanted]));
    const long = await answers(
      "vtr-db",
      { server, raw: "00".repeat(5000), patience: 700 },
      { server, tcp: true, raw: "00", patience: 700 },
    );
    expect(long).toEqual(["nothing", "nothing"]);
  });

  test("a flood leaves room for others, and memory as it was", async () => {
    lease("one", "10.92.1.2", "a", "web");
    lease("one", "10.92.1.3", "b", "db");
    up("one");
    const pid = resolver() ?? 0;
    const memory = () => Number(/RssAnon:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]);
    const server = ONE.v4;
    await ask("vtr-web", { server, name: "db" });
    const before = memory();
    const flood = ask(
      "vtr-web",
      { server, name: "nobody", flood: 40_000 },
      { server, name: "lost.example", flood: 40_000 },
      { server, raw: "ff".repeat(600), flood: 20_000 },
    );
    await Bun.sleep(300);
    const [own, others] = await ask(
      "vtr-db",
      { server, name: "web", patience: 300, tries: 10 },
      { server, name: "a.example", patience: 300, tries: 10 },
    );
    await flood;
    expect(own).toMatchObject({ answers: ["A 10.92.1.2"] });
    expect(own?.milliseconds).toBeLessThan(3000);
    expect(others?.answers).toEqual(["A 192.0.2.1"]);
    expect(resolver()).toBe(pid);
    console.log(`figure: resolver ${before} kB of its own, ${memory()} kB after a flood of 100,000 packets`);
    expect(memory()).toBeLessThan(64 * 1024);
  });

  test("connections without end, and one that does not listen", async () => {
    lease("one", "10.92.1.3", "b", "db");
    up("one");
    const script = `
      import { connect } from "node:net";
      const open = new Set();
      for (let i = 0; i < 60; i++) {
        const socket = connect(53, "${ONE.v4}");
        socket.on("connect", () => open.add(i));
        socket.on("close", () => open.delete(i));
        socket.on("error", () => {});
      }
      await Bun.sleep(700);
      console.log(open.size);
      process.exit();`;
    writeFileSync(`${SCRATCH}/connections.ts`, script);
    const open = sh("ip", "netns", "exec", "vtr-web", BUN, `${SCRATCH}/connections.ts`).toString();
    expect(Number(open)).toBeGreaterThan(0);
    expect(Number(open)).toBeLessThanOrEqual(16);
    expect(await answers("vtr-db", { server: ONE.v4, name: "db", tcp: true })).toEqual(["A 10.92.1.3"]);
  });
});

describe("its process", () => {
  test("one for all networks, however many ask for it at once; it ends after the last of them", async () => {
    const before = resolver();
    if (before !== undefined) process.kill(before, "SIGKILL");
    await until(() => resolver() === undefined, "the resolver to be gone");
    lease("one", "10.92.1.3", "b", "db");
    lease("two", "10.92.2.2", "a", "web");
    const words = (network: string) => ["netns", "exec", HOST, BUN, `${HERE}/ensure.ts`, ROOT, STATE, BINARY, network];
    const all = ["one", "two", "one", "two", "one", "two"].map((network) => spawn("ip", words(network)));
    const ends = await Promise.all(all.map((child) => new Promise((resolve) => child.on("close", resolve))));
    expect(ends).toEqual([0, 0, 0, 0, 0, 0]);
    await until(() => resolvers().length === 1, "those to end that came second");
    expect(await answers("vtr-web", { server: ONE.v4, name: "db" }, { server: TWO.v4, name: "web" })).toEqual([
      "A 10.92.1.3",
      "A 10.92.2.2",
    ]);
    release("one", "10.92.1.3");
    await Bun.sleep(8000);
    expect(resolvers().length).toBe(1); // somebody is on "two"
    release("two", "10.92.2.2");
    await until(() => resolvers().length === 0, "the resolver to end", 15_000);
    expect(readdirSync(RESOLVER).filter((name) => /^[0-9a-f]{64}$/.test(name))).toEqual([]);
  });

  test("what was killed is there again when somebody looks harder, and it runs with nothing of ours open", async () => {
    lease("one", "10.92.1.3", "b", "db");
    up("one");
    const pid = resolver() ?? 0;
    process.kill(pid, "SIGKILL");
    await until(() => resolver() === undefined, "the resolver to be gone");
    const words = ["netns", "exec", HOST, BINARY, "--root", ROOT, "--state", STATE, "ps"];
    const { status, stderr } = spawnSync("ip", words, { encoding: "utf8" });
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    expect(await answers("vtr-db", { server: ONE.v4, name: "db" })).toEqual(["A 10.92.1.3"]);
    const again = resolver() ?? 0;
    const open = readdirSync(`/proc/${again}/fd`).map((fd) => readlinkSync(`/proc/${again}/fd/${fd}`));
    expect(open.filter((target) => !/^(socket:|anon_inode:|\/dev\/null)/.test(target))).toEqual([
      `${RESOLVER}/log`,
      `${RESOLVER}/log`,
    ]);
    expect(readFileSync(`/proc/${again}/environ`, "utf8")).not.toContain("HOME=");
    expect(Number(readFileSync(`/proc/${again}/stat`, "utf8").split(" ")[5])).toBe(again); // a session of its own
  });

  test("a bridge that is taken away and made again", async () => {
    lease("two", "10.92.2.2", "a", "web");
    up("two");
    const remake = () => {
      inHost("ip", "link", "delete", TWO.bridge);
      inHost("ip", "link", "add", TWO.bridge, "address", macOf(TWO.v4), "type", "bridge");
      inHost("ip", "address", "add", `${TWO.v4}/24`, "dev", TWO.bridge);
      inHost("ip", "address", "add", `${TWO.v6}/64`, "dev", TWO.bridge, "nodad");
      inHost("ip", "link", "set", TWO.bridge, "up");
      inHost("ip", "link", "set", "p-vtr-web-1", "master", TWO.bridge);
    };
    remake();
    up("two");
    for (const server of [TWO.v4, TWO.v6])
      expect(
        await answers("vtr-web", { server, name: "web", tries: 5, patience: 500 }, { server, name: "web", tcp: true }),
      ).toEqual(["A 10.92.2.2", "A 10.92.2.2"]);
  });

  test("started by hand beside the one that is there", () => {
    lease("one", "10.92.1.3", "b", "db");
    up("one");
    const { status, stderr } = vitrine(["network", "resolve"]);
    expect({ status, stderr }).toEqual({
      status: 125,
      stderr: expect.stringContaining("another process answers for names"),
    });
    expect(vitrine(["network", "--help"]).stdout).not.toContain("resolve");
  });

  test("a port that is taken is told of, and so is a bridge that is not up", async () => {
    const before = resolver();
    if (before !== undefined) process.kill(before, "SIGKILL");
    const taker = spawn(
      "ip",
      [
        "netns",
        "exec",
        HOST,
        BUN,
        "-e",
        `await Bun.udpSocket({ hostname: "${TWO.v4}", port: ${RESOLVER_PORT}, socket: {} }); console.log(1)`,
      ],
      {
        stdio: ["ignore", "pipe", "inherit"],
      },
    );
    await new Promise((resolve) => taker.stdout.once("data", resolve));
    const taken = ensure("two");
    taker.kill("SIGKILL");
    expect(taken.status).toBe(1);
    expect(taken.stderr).toContain("UNAVAILABLE network two: its names cannot be answered");
    expect(taken.stderr).toContain("10.92.2.1");
    inHost("ip", "address", "flush", "dev", SHUT.bridge);
    const missing = ensure("shut");
    expect(missing.stderr).toContain("UNAVAILABLE network shut: its names cannot be answered");
    inHost("ip", "link", "delete", SHUT.bridge);
    expect(ensure("shut")).toEqual({ status: 0, stdout: "", stderr: "" }); // whoever makes the bridge comes again
    up("one"); // the others are not in the way
  });
});
