/** kill -9 of our processes at random moments: KILLS=N (300). After the next command only legal states are left, and nothing besides. */
import { expect, setDefaultTimeout, test } from "bun:test";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { watchLeaks } from "../leaks.ts";
import { BINARY, busybox, ROOT, STATE, vitrine } from "../vitrine.ts";
import { figure } from "./figures.ts";
import { kill, ours, pick } from "./killing.ts";

setDefaultTimeout(600_000);
watchLeaks();

const KILLS = Number(process.env.KILLS ?? 300);
const EACH = 20;
/** A command is over before that, mostly. */
const LONGEST_MS = 60;

function begin(args: readonly string[]): ChildProcess {
  return spawn(BINARY, args, {
    stdio: "ignore",
    env: { PATH: process.env.PATH ?? "", HOME: "/root", VITRINE_ROOT: ROOT, VITRINE_STATE: STATE },
  });
}

test(`${KILLS} kills`, async () => {
  const killed = { command: 0, stage: 0 };
  const names = ["k0", "k1", "k2"];
  let seen = "";
  for (let n = 0; killed.command + killed.stage < KILLS; n++) {
    const name = pick(names);
    const rootfs = ["--rootfs", busybox()];
    const args = pick([
      ["run", "--rm", ...rootfs, "sh", "-c", "sleep 0.02"],
      ["run", "-d", "--name", name, ...rootfs, "sleep", "1000"],
      ["run", "-d", "--restart", "always", "--name", name, ...rootfs, "sh", "-c", "sleep 0.01"],
      ["run", "--name", name, ...rootfs, "true"],
      ["create", "--name", name, ...rootfs, "sleep", "1000"],
      ["start", name],
      ["restart", "-t", "0", name],
      ["exec", name, "sleep", "0.02"],
      ["stop", "-t", "0", name],
      ["rm", "-f", name],
      ["ps", "-a"],
    ]);
    const child = begin(args);
    const over = once(child, "exit");
    await Bun.sleep(Math.random() * LONGEST_MS);
    if (n % 2 === 0) killed.command += Number(child.exitCode === null && kill(child.pid));
    else killed.stage += Number(kill(pick(ours())));
    const waits = Bun.sleep(2000).then(() => child.kill("SIGKILL"));
    await Promise.race([over, waits]);
    await over;
    if (n % EACH !== 0) continue;
    const { status, stdout, stderr } = vitrine(["ps", "-a", "--format", "{{.Names}} {{.State}}"]);
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    for (const line of stdout.trim().split("\n").filter(Boolean))
      expect(line).toMatch(/^k\d (created|running|exited|restarting)$/);
    seen += stdout;
  }
  vitrine(["ps", "-a"]);
  for (const name of vitrine(["ps", "-a", "--format", "{{.Names}}"]).stdout.trim().split("\n").filter(Boolean)) {
    const { status, stderr } = vitrine(["rm", "-f", name]);
    expect({ name, status, stderr }).toEqual({ name, status: 0, stderr: "" });
  }
  vitrine(["gc"]);
  expect(new Set(seen.match(/(?<= )\w+$/gm)).size).toBeGreaterThan(1);
  figure("kills", { "of commands": killed.command, "of stages and monitors": killed.stage, "left over": 0 });
});
