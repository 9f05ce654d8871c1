/** Ways out of the root directory. The control is chroot(8), with a descriptor left open as a careless engine would. */
import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { BINARY, directory, ROOT, STATE } from "../vitrine.ts";
import { answers, attack, CANARY, rootWith, rows, runIn, untestable, watchCanary, watchFile } from "./tool.ts";

setDefaultTimeout(20_000);
watchFile();
watchCanary();

const canary = ["-e", `CANARY=${CANARY}`];

/** In a chroot with /proc, in a mount and PID namespace of its own; descriptor 9 and the working directory are outside. */
function inChroot(...names: string[]) {
  const root = rootWith("root");
  const script = `mount -t proc proc ${root}/proc; cd /; exec 9</; exec python3 -c '
import os, sys
if sys.argv[1] == "stay": os.chroot("${root}")
else: os.chroot("${root}"); os.chdir("/")
os.set_inheritable(9, True)
os.execv("/attack-root", ["/attack-root", *sys.argv[2:]])' "$@"`;
  const stay = names.includes("start-directory") ? "stay" : "go";
  const child = spawnSync("unshare", ["-mpf", "sh", "-c", script, "sh", stay, ...names], {
    env: { PATH: process.env.PATH ?? "", CANARY },
  });
  expect(child.stderr.toString()).toBe("");
  return answers(child.stdout.toString());
}

describe("ways out of the root directory", () => {
  const names = ["double-chroot", "kept-descriptor", "inherited-descriptors", "proc-links"];
  const control = { ...inChroot(...names), ...inChroot("start-directory") };
  const row = { refused: ["nothing"] };
  const all = Object.fromEntries([...names, "start-directory"].map((name) => [name, row]));
  rows("in a container", all, attack("root", canary), control);
  rows("without a user namespace", all, attack("root", [...canary, "--userns", "host"]), control);
  rows("on a root that it writes to", all, attack("root", [...canary, "--rw-rootfs"]), control);
});

describe("shocker: open_by_handle_at with a guessed handle", () => {
  // A container with the capability and without a user namespace, which has to be asked for, is the control.
  const volume = directory("volume");
  const whole = ["-v", `${volume}:/volume`, "-e", "MOUNT=/volume", ...canary];
  const off = ["--userns", "host", "--cap-add", "DAC_READ_SEARCH"];
  const { shocker } = attack("root", [...whole, ...off], ["shocker"]);
  const works = shocker === "ok";
  for (const flags of [[], ["--userns", "host"], ["--security-opt", "seccomp=unconfined"]])
    test(`is refused, ${flags.join(" ") || "by default"}`, () =>
      expect(attack("root", [...whole, ...flags], ["shocker"])).toEqual({ shocker: "EPERM" }));
  test("the capability in a user namespace reaches nothing either", () =>
    expect(attack("root", [...whole, "--cap-add", "DAC_READ_SEARCH"], ["shocker"])).toEqual({ shocker: "EPERM" }));
  if (works)
    test("the control: with the capability on the host it reads outside the volume", () => expect(shocker).toBe("ok"));
  else untestable("the control", `inode 2 of the volume's file system answers ${shocker}`);
});

describe("the working directory at a kept descriptor (CVE-2024-21626)", () => {
  /** Descriptors 3 to 30 of the caller are directories of the host. */
  const leaking = (command: readonly string[]) => {
    const open = Array.from({ length: 28 }, (_, i) => `exec ${i + 3}</`).join("; ");
    const child = spawnSync("bash", ["-c", `${open}; exec "$@"`, "bash", ...command], {
      env: { PATH: process.env.PATH ?? "", CANARY, VITRINE_ROOT: ROOT, VITRINE_STATE: STATE },
    });
    return { status: child.status, stdout: child.stdout.toString(), stderr: child.stderr.toString() };
  };
  const root = () => rootWith("root");
  test("the control: chroot lets them in, and there is a way out", () => {
    const { stdout } = leaking(["chroot", root(), "/attack-root", "inherited-descriptors"]);
    expect(answers(stdout)).toEqual({ "inherited-descriptors": "ok" });
  });
  test("only 0, 1 and 2 come in, whatever the caller left open", () => {
    for (const flags of [[], ["--userns", "host"], ["--init"], ["--pid", "host", "--userns", "host"]]) {
      const run = [BINARY, "run", "--rm", ...flags, "--rootfs", root()];
      expect(leaking([...run, "sh", "-c", "echo /proc/self/fd/*"]).stdout).toMatch(
        /^\/proc\/self\/fd\/0 \/proc\/self\/fd\/1 \/proc\/self\/fd\/2( \/proc\/self\/fd\/3)?\n$/, // 3 is the shell's own listing
      );
      expect(answers(leaking([...run, ...canary, "/attack-root", "inherited-descriptors"]).stdout)).toEqual({
        "inherited-descriptors": "nothing",
      });
    }
  });
  test("--workdir at any of them is an error, or inside", () => {
    for (const fd of [3, 5, 7, 9, 12, 30]) {
      const flags = [...canary, "--workdir", `/proc/self/fd/${fd}`, "--rootfs", root()];
      const { status, stdout } = leaking([BINARY, "run", "--rm", ...flags, "/attack-root", "start-directory"]);
      if (status === 0) expect(answers(stdout)).toEqual({ "start-directory": "nothing" });
      else expect(status).toBe(125);
    }
  });
  test("--workdir above one of them is the same", () => {
    const { status, stdout } = runIn(
      root(),
      [...canary, "--workdir", "/proc/self/fd/7/../../.."],
      ["/attack-root", "start-directory"],
    );
    if (status === 0) expect(answers(stdout)).toEqual({ "start-directory": "nothing" });
    else expect(status).toBe(125);
  });
});
