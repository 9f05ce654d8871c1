/** Connections that the kernel follows: who sends all the while to a published port comes to the container that has it now, and to no other. */
import { afterAll, afterEach, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { type ChildProcess, spawn } from "node:child_process";
import { holderOf, listRuns } from "../../src/container/runs.ts";
import { watchLeaks } from "../leaks.ts";
import { HOST_OUTSIDE, HOST_OUTSIDE6, NetHost } from "../nethost.ts";
import { busybox, ROOT, STATE, until } from "../vitrine.ts";

setDefaultTimeout(60_000);

let h: NetHost;
const senders: ChildProcess[] = [];
beforeAll(async () => {
  h = new NetHost();
  await h.serve("127.0.0.1:9999", "host");
  h.vitrine("network", "create", "--disable-dns", "--subnet", "10.92.31.0/24", "front");
  expect(h.vitrine("network", "up", "front").stderr).toBe("");
});
afterAll(() => {
  h.vitrine("network", "rm", "front");
  h.close();
});
afterEach(() => {
  for (const sender of senders.splice(0)) sender.kill("SIGKILL");
  const left = h.vitrine("ps", "-aq").stdout.split("\n").filter(Boolean);
  if (left.length > 0) h.vitrine("rm", "-f", ...left);
});
watchLeaks();

/** The same port of its own all the while, as clients of VPNs, DNS forwarders and games do. */
function send(to: string, from: "host" | "out"): void {
  const script = `import socket, time
s = socket.socket(socket.${to.includes(":") ? "AF_INET6" : "AF_INET"}, socket.SOCK_DGRAM)
s.bind(("", 4000))
while True:
    try: s.sendto(b"ping %f\\n" % time.time(), ("${to}", 5353))
    except OSError: pass
    time.sleep(0.02)`;
  const netns = from === "host" ? h.host : h.out;
  senders.push(spawn("nsenter", [`--net=/run/netns/${netns}`, "python3", "-c", script], { stdio: "ignore" }));
}

/** What comes to it by UDP is its log. */
function listener(name: string, ...flags: string[]): void {
  const script = `import socket
s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
s.bind(("::", 53))
while True: print(s.recv(99).decode(), flush=True)`;
  const host = ["/usr", "/lib", "/lib64"].flatMap((path) => ["-v", `${path}:${path}:ro`]);
  const { stderr } = h.vitrine(
    ...["run", "-d", "--network", "front", "--name", name, ...flags, ...host],
    ...["--rootfs", busybox(), "/usr/bin/python3", "-c", script],
  );
  expect(stderr).toBe("");
}

const heard = (name: string) => h.vitrine("logs", name).stdout.includes("ping");
const addressOf = (name: string) =>
  h.vitrine("inspect", "-f", "{{.NetworkSettings.Networks.front.IPAddress}}", name).stdout.trim();
const followed = (...words: string[]) =>
  h
    .exec(["cat", "/proc/net/nf_conntrack"])
    .stdout.split("\n")
    .filter((line) => words.every((word) => line.includes(word)));

const ends: readonly (readonly [how: string, end: (name: string) => void])[] = [
  ["stop", (name) => expect(h.vitrine("stop", "-t", "0", name).stderr).toBe("")],
  ["rm -f", (name) => expect(h.vitrine("rm", "-f", name).stderr).toBe("")],
  [
    "kill -9 of its monitor",
    (name) => {
      const id = h.vitrine("inspect", "-f", "{{.Id}}", name).stdout.trim();
      const run = listRuns({ root: ROOT, state: STATE }).find((one) => one.id === id);
      process.kill(run ? holderOf(run).pid : 0, "SIGKILL");
      h.vitrine("ps");
    },
  ],
];

describe.each([
  ["from outside", HOST_OUTSIDE, "0.0.0.0", "out"],
  ["by IPv6", HOST_OUTSIDE6, "[::]", "out"],
  ["from the host's 127.0.0.1", "127.0.0.1", "127.0.0.1", "host"],
] as const)("a client that goes on sending, %s", (_, to, at, from) => {
  const ports = ["-p", `${at}:5353:53/udp`];

  test.each(ends)(
    "comes to the container that has the port after %s, and whoever has the address is left alone",
    async (_, end) => {
      listener("first", ...ports);
      send(to, from);
      await until(() => heard("first"), "the first hears it");
      const address = addressOf("first");
      end("first");
      const ended = Date.now() / 1000;
      listener("stranger");
      expect(addressOf("stranger")).toBe(address);
      listener("second", ...ports);
      await until(() => heard("second"), "the second hears it");
      await Bun.sleep(100);
      // What waited for the address to be resolved anew still comes, whoever has it then; nothing that was sent later.
      const late = (h.vitrine("logs", "stranger").stdout.match(/\d+\.\d+/g) ?? []).filter(
        (sent) => Number(sent) > ended,
      );
      expect(late).toEqual([]);
    },
  );

  test("who began while nobody had the port comes to the container that has it then", async () => {
    send(to, from);
    await until(() => followed("dport=5353", "sport=4000").length > 0, "the kernel follows it");
    listener("first", ...ports);
    await until(() => heard("first"), "it hears it");
  });

  test("also if the kernel chooses the port", async () => {
    const range = (numbers: string) => h.exec(["sh", "-c", `echo ${numbers} > /proc/sys/net/ipv4/ip_local_port_range`]);
    send(to, from);
    await until(
      () => followed("dport=5353", "sport=4000", to.includes(":") ? "ipv6" : `dst=${to}`).length > 0,
      "the kernel follows it",
    );
    expect(range("5353 5353").stderr).toBe("");
    listener("first", "-p", `${at}::53/udp`);
    range("32768 60999");
    expect(h.vitrine("port", "first").stdout).toContain(":5353");
    await until(() => heard("first"), "it hears it");
  });

  test("also after another's flush of all rules", async () => {
    listener("first", ...ports);
    const other = "table inet other { chain input { type filter hook input priority 0; ct state new accept; }; }";
    h.exec(["nft", "-f", "-"], "host", `flush ruleset\n${other}`);
    send(to, from);
    await until(() => followed("dport=5353", "sport=4000").length > 0, "the kernel follows it");
    expect(heard("first")).toBe(false);
    h.vitrine("ps");
    await until(() => heard("first"), "it hears it");
    h.exec(["nft", "delete", "table", "inet", "other"]);
  });
});

test("others are let be, and an end leaves nothing of a container's", () => {
  h.server("web", "--network", "front", "-p", "0.0.0.0:8080:80");
  expect(h.ask("127.0.0.1:8080")).toBe("10.92.31.1");
  h.ask("127.0.0.1:9999");
  expect(followed("dport=8080").length).toBe(1);
  const others = followed("dport=9999").length;
  expect(others).toBeGreaterThan(0);
  h.vitrine("rm", "-f", "web");
  expect(followed("dport=8080")).toEqual([]);
  expect(followed("dport=9999").length).toBe(others);
});

test("thousands of them go, too", async () => {
  listener("first", "-p", "127.0.0.1:5353:53/udp");
  const script = `import socket
for i in range(5000):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(("127.0.0.1", 10000 + i)); s.sendto(b"x", ("127.0.0.1", 5353)); s.close()`;
  h.exec(["python3", "-c", script]);
  expect(followed("dport=5353").length).toBeGreaterThan(4000);
  h.vitrine("rm", "-f", "first");
  expect(followed("dport=5353").length).toBe(0);
});
