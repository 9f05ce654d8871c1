/** Typing into the caller's terminal from inside. */
import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { watchLeaks } from "../leaks.ts";
import { onTerminal } from "../terminal.ts";
import { BINARY, ROOT, STATE } from "../vitrine.ts";
import { answers, compile, rootWith, untestable, watchCanary } from "./tool.ts";

setDefaultTimeout(20_000);
watchLeaks();
watchCanary();

/** A shell that runs a command and then does what was typed meanwhile. */
async function shellAround(command: readonly string[]): Promise<{ typed: boolean; screen: string }> {
  const words = command.map((word) => `'${word}'`).join(" ");
  const t = onTerminal(["bash", "-c", `${words}; while read -t 0.3 line; do eval "$line"; done; echo over`]);
  await t.ended;
  const screen = t.screen();
  return { typed: screen.includes("typed by 2 attackers"), screen };
}

const inside = (flags: readonly string[], names: readonly string[]) =>
  shellAround([BINARY, "run", "--rm", ...flags, "--rootfs", rootWith("terminal"), "/attack-terminal", ...names]);

const knob = "/proc/sys/dev/tty/legacy_tiocsti";
let legacy = true;
try {
  legacy = readFileSync(knob, "latin1").trim() === "1";
} catch {
  // Before Linux 6.2 there is no such parameter, and everybody types.
}

describe("typing into an inherited terminal", () => {
  const names = ["TIOCSTI", "TIOCSTI-output", "TIOCSCTTY", "TIOCSCTTY-force", "dev-tty"];
  if (!legacy) untestable("the control", `${knob} is 0`);
  else
    test("the control: a plain command does", async () => {
      const program = compile("terminal");
      const each = ["TIOCSTI", "TIOCSTI-output", "TIOCSCTTY-force", "dev-tty"].map((name) =>
        shellAround([program, name]),
      );
      for (const { typed } of await Promise.all(each)) expect(typed).toBe(true);
    });
  for (const flags of [[], ["-i"], ["--userns", "host"], ["--userns", "host", "--pid", "host"], ["--init"]])
    test(`${flags.join(" ") || "by default"}: refused`, async () => {
      const { typed, screen } = await inside(flags, names);
      const found = answers(screen);
      for (const name of names) expect([name, found[name]]).toEqual([name, expect.stringMatching(/^E[A-Z]+$/)]);
      expect(typed).toBe(false);
    });
  for (const flags of [["-t"], ["-it"], ["-it", "--userns", "host"]])
    test(`${flags.join(" ")}: what it types is its own terminal's`, async () => {
      const { typed, screen } = await inside(flags, names);
      expect(screen).toContain("TIOCSTI ok"); // it is the container's to type into
      expect(typed).toBe(false);
    });
});

describe("TIOCLINUX on an inherited console", () => {
  const env = { PATH: process.env.PATH ?? "", VITRINE_ROOT: ROOT, VITRINE_STATE: STATE };
  const on = (...command: string[]) =>
    answers(spawnSync("sh", ["-c", 'exec "$@" </dev/tty63', "sh", ...command], { env }).stdout.toString());
  const control = on("setsid", compile("terminal"), "TIOCLINUX");
  if (control.TIOCLINUX !== "ok") untestable("the control", `/dev/tty63 answers ${control.TIOCLINUX ?? "nothing"}`);
  else test("the control: the host's root does it", () => expect(control).toEqual({ TIOCLINUX: "ok" }));
  for (const flags of [[], ["--userns", "host"]])
    test(`${flags.join(" ") || "by default"}: refused`, () =>
      expect(
        on(BINARY, "run", "--rm", ...flags, "--rootfs", rootWith("terminal"), "/attack-terminal", "TIOCLINUX")
          .TIOCLINUX,
      ).toMatch(/^(EPERM|ENOTTY)$/));
  test("-t: a pseudo terminal knows no such request", async () =>
    expect((await inside(["-it"], ["TIOCLINUX"])).screen).toContain("TIOCLINUX ENOTTY"));
});
