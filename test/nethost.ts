/** A host with a neighbour, made of network namespaces: what vitrine does there, the machine's own network sees nothing of. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { chmodSync, existsSync, readdirSync, readFileSync, readlinkSync, statSync, writeFileSync } from "node:fs";
import { BINARY, busybox, directory, type Result, ROOT, STATE } from "./vitrine.ts";

export const HOST_OUTSIDE = "203.0.113.1";
export const NEIGHBOUR = "203.0.113.9";
export const HOST_OUTSIDE6 = "2001:db8::1";
export const NEIGHBOUR6 = "2001:db8::9";

const env = { PATH: process.env.PATH ?? "", HOME: "/root", VITRINE_ROOT: ROOT, VITRINE_STATE: STATE };

/** Hosts that are there. */
let open = 0;

export class NetHost {
  readonly host: string;
  readonly out: string;
  readonly #children: ChildProcess[] = [];

  constructor() {
    open++;
    const name = `vt-test-${randomBytes(4).toString("hex")}`; // pids are the same in other PID namespaces
    this.host = name;
    this.out = `${name}-out`;
    must(["ip", "netns", "add", this.host]);
    must(["ip", "netns", "add", this.out]);
    this.ip("link", "set", "lo", "up");
    must(["ip", "-n", this.out, "link", "set", "lo", "up"]);
    this.ip("link", "add", "ext", "type", "veth", "peer", "name", "ext", "netns", this.out);
    for (const [netns, ...addresses] of [
      [this.host, `${HOST_OUTSIDE}/24`, `${HOST_OUTSIDE6}/64`],
      [this.out, `${NEIGHBOUR}/24`, `${NEIGHBOUR6}/64`],
    ] as const) {
      for (const address of addresses)
        must(["ip", "-n", netns, "addr", "add", address, ...(address.includes(":") ? ["nodad"] : []), "dev", "ext"]);
      must(["ip", "-n", netns, "link", "set", "ext", "up"]);
    }
  }

  ip(...words: string[]): void {
    must(["ip", "-n", this.host, ...words]);
  }

  /** A program there, or at the neighbour's. */
  exec(command: readonly string[], where: "host" | "out" = "host", input = ""): Result {
    const netns = where === "host" ? this.host : this.out;
    const { status, stdout, stderr, error } = spawnSync("nsenter", [`--net=/run/netns/${netns}`, ...command], {
      env,
      input,
      encoding: "utf8",
      timeout: 60_000,
      killSignal: "SIGKILL",
    });
    if (error) throw error;
    return { status: status ?? -1, stdout, stderr };
  }

  vitrine(...args: string[]): Result {
    return this.exec([BINARY, ...args]);
  }

  /** `vitrine run --rm FLAGS` of a shell script. */
  shell(script: string, ...flags: string[]): Result {
    return this.vitrine("run", "--rm", ...flags, "--rootfs", busybox(), "sh", "-c", script);
  }

  /** A container that answers whoever asks on port 80 with that one's address. Returns its name. */
  server(name: string, ...flags: string[]): string {
    const { status, stderr } = this.vitrine(
      ...["run", "-d", "--name", name, "-v", `${whoDirectory()}:/www:ro`, ...flags],
      ...["--rootfs", busybox(), "httpd", "-f", "-p", "80", "-h", "/www"],
    );
    if (status !== 0) throw new Error(stderr);
    this.listens(name);
    return name;
  }

  /** Waits until the container's program has got so far. */
  listens(name: string): void {
    const pid = this.vitrine("inspect", "-f", "{{.State.Pid}}", name).stdout.trim();
    const end = performance.now() + 10_000;
    // Port 80 in state TCP_LISTEN: proc_net_tcp(5)
    while (
      ![4, 6].some((v) => /:0050 \S+ 0A /.test(readFileSync(`/proc/${pid}/net/tcp${v === 4 ? "" : "6"}`, "latin1")))
    ) {
      if (performance.now() > end) throw new Error(`${name} does not listen`);
      Bun.sleepSync(5);
    }
  }

  /** The same, a program of the neighbour's, or of the host's. */
  async serve(address: string, where: "host" | "out" = "out"): Promise<void> {
    const netns = where === "host" ? this.host : this.out;
    const command = ["/bin/busybox", "httpd", "-f", "-p", address, "-h", whoDirectory()];
    this.#children.push(spawn("nsenter", [`--net=/run/netns/${netns}`, ...command], { stdio: "ignore" }));
    const end = performance.now() + 5000;
    while (this.ask(address, where) === "") {
      if (performance.now() > end) throw new Error(`nobody answers at ${address}`);
      await Bun.sleep(20);
    }
  }

  /** Port 5000 of all addresses there: tells whoever sends, and then is silent, the MD5 sum of what has come. */
  sink(where: "host" | "out"): void {
    const netns = where === "host" ? this.host : this.out;
    const command = ["/bin/busybox", "nc", "-ll", "-p", "5000", "-e", "/bin/busybox", "md5sum"];
    this.#children.push(spawn("nsenter", [`--net=/run/netns/${netns}`, ...command], { stdio: "ignore" }));
  }

  /** Who the server there says that we are; "" if there is no answer. */
  ask(where: string, from: "host" | "out" = "host"): string {
    return this.exec(["/bin/busybox", "sh", "-c", asking(where)], from).stdout.trim();
  }

  /** A directory for httpd(8) that tells whoever asks his address. */
  www(): string {
    return whoDirectory();
  }

  close(): void {
    for (const child of this.#children) child.kill("SIGKILL");
    if (--open === 0) this.vitrine("network", "prune", "--force"); // another file's networks may have the same names
    endResolver(statSync(`/run/netns/${this.host}`).ino);
    for (const name of [this.host, this.out]) must(["ip", "netns", "del", name]);
  }
}

/** A line for a shell, which prints the answer. */
export function asking(where: string): string {
  const [, address = "", port = "80"] =
    /^\[?(.*?)\]?(?::(\d+))?$/.exec(where.includes("[") || where.split(":").length <= 2 ? where : `[${where}]`) ?? [];
  return `printf 'GET /cgi-bin/who HTTP/1.0\\r\\n\\r\\n' | nc -w 2 ${address} ${port} | sed -n 's/^\\[*\\(::ffff:\\)*\\([0-9a-f.:]\\{3,\\}\\)\\]*$/\\2/p'`;
}

/** The one of this store: it stays for some seconds in the network that it was started in, and the next test has another. */
function endResolver(netns: number): void {
  const place = `${STATE}/networks/.resolver`;
  for (const name of existsSync(place) ? readdirSync(place).filter((found) => /^[0-9a-f]{64}$/.test(found)) : []) {
    const pid = Number(readlinkSync(`${place}/${name}`).split(".")[0]);
    if (!existsSync(`/proc/${pid}/ns/net`) || readlinkSync(`/proc/${pid}/ns/net`) !== `net:[${netns}]`) continue;
    process.kill(pid, "SIGKILL");
    while (existsSync(`/proc/${pid}/ns/net`)) Bun.sleepSync(5);
  }
}

let who: string | undefined;

function whoDirectory(): string {
  if (who !== undefined) return who;
  const place = directory("www/cgi-bin");
  writeFileSync(`${place}/who`, "#!/bin/sh\necho\necho $REMOTE_ADDR\n");
  chmodSync(`${place}/who`, 0o755);
  who = place.slice(0, place.lastIndexOf("/"));
  return who;
}

function must([program = "", ...args]: readonly string[]): void {
  const { status, stderr, error } = spawnSync(program, args, { encoding: "utf8" });
  if (error) throw error;
  if (status !== 0) throw new Error(`${program} ${args.join(" ")}: ${stderr}`);
}
