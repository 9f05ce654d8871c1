/** Other programs that have to do with images, each with places of its own below a scratch directory. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { closeSync, mkdirSync, openSync, readFileSync, writeFileSync } from "node:fs";
import { until } from "../vitrine.ts";

export interface Said {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** @param input a file that is standard input @param output a file that gets standard output */
export function call(
  argv: readonly string[],
  env: Record<string, string> = {},
  streams: { input?: string; output?: string } = {},
): Said {
  const input = streams.input === undefined ? "ignore" : openSync(streams.input, "r");
  const output = streams.output === undefined ? "pipe" : openSync(streams.output, "w");
  try {
    const child = spawnSync(argv[0] ?? "", argv.slice(1), {
      stdio: [input, output, "pipe"],
      env: { PATH: process.env.PATH ?? "", HOME: "/root", ...env },
      maxBuffer: 2 ** 26,
      timeout: 180_000,
      killSignal: "SIGKILL",
    });
    if (child.error) throw child.error;
    return {
      status: child.status ?? -1,
      stdout: child.stdout?.toString().trim() ?? "",
      stderr: child.stderr.toString(),
    };
  } finally {
    for (const fd of [input, output]) if (typeof fd === "number") closeSync(fd);
  }
}

/** @throws with what it said if it fails */
export function ok(
  argv: readonly string[],
  env: Record<string, string> = {},
  streams: { input?: string; output?: string } = {},
): string {
  const { status, stdout, stderr } = call(argv, env, streams);
  if (status !== 0) throw new Error(`${argv.join(" ")}: exit status ${status}\n${stderr}${stdout}`);
  return stdout;
}

export interface Daemon {
  readonly child: ChildProcess;
  readonly log: string;
  stop(): Promise<void>;
}

function daemon(argv: readonly string[], log: string): Daemon {
  const file = openSync(log, "w");
  const child = spawn(argv[0] ?? "", argv.slice(1), { stdio: ["ignore", file, file] });
  closeSync(file);
  return {
    child,
    log,
    async stop() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const ended = new Promise((resolve) => child.on("exit", resolve));
      child.kill("SIGTERM");
      await Promise.race([ended, Bun.sleep(20_000).then(() => child.kill("SIGKILL"))]);
    },
  };
}

/** dockerd with a socket of its own, and the client's command line for it. */
export async function startDocker(
  scratch: string,
): Promise<{ docker: readonly string[]; data: string; daemon: Daemon }> {
  mkdirSync(scratch, { recursive: true });
  writeFileSync(`${scratch}/daemon.json`, "{}");
  const data = `${scratch}/data`;
  const places = ["--data-root", data, "--exec-root", `${scratch}/exec`, "--pidfile", `${scratch}/pid`];
  const alone = ["--bridge", "none", "--iptables=false", "--ip6tables=false", "--storage-driver", "vfs"];
  const socket = `unix://${scratch}/sock`;
  const started = daemon(
    ["dockerd", "-H", socket, "--config-file", `${scratch}/daemon.json`, ...places, ...alone],
    `${scratch}/log`,
  );
  const docker = ["docker", "--config", `${scratch}/client`, "-H", socket];
  await until(() => call([...docker, "version"]).status === 0, "dockerd to listen", 60_000);
  return { docker, data, daemon: started };
}

/** podman's command line, with a store of its own. */
export function podman(scratch: string): readonly string[] {
  return [
    "podman",
    "--root",
    `${scratch}/root`,
    "--runroot",
    `${scratch}/run`,
    "--tmpdir",
    `${scratch}/tmp`,
    "--storage-driver",
    "vfs",
    "--cgroup-manager",
    "cgroupfs",
  ];
}

/** Directory of an image's files in dockerd's vfs store, which `docker image inspect` does not tell. */
export function dockerTree(docker: readonly string[], data: string, image: string): string {
  const layers: string[] = JSON.parse(
    ok([...docker, "image", "inspect", "--format", "{{json .RootFS.Layers}}", image]),
  );
  let chain = "";
  for (const layer of layers)
    chain = chain === "" ? layer : `sha256:${new Bun.CryptoHasher("sha256").update(`${chain} ${layer}`).digest("hex")}`;
  const id = readFileSync(`${data}/image/vfs/layerdb/${chain.replace(":", "/")}/cache-id`, "utf8").trim();
  return `${data}/vfs/dir/${id}`;
}
