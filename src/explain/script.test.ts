import { describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { awaits, strings, struct, sys } from "../plan/instructions.ts";
import { printed } from "../plan/network/bridge.ts";
import type { Instruction, Op, Plan } from "../plan/plan.ts";
import { explainScript } from "./script.ts";

const GOLDEN = new URL("../../test/golden/", import.meta.url).pathname;

function isBash(text: string): void {
  const { status, stderr } = spawnSync("bash", ["-n"], { input: text });
  expect([status, stderr.toString()]).toEqual([0, ""]);
}

test.each(readdirSync(GOLDEN).filter((name) => name.endsWith(".sh")))("%s is bash", (name) => {
  const { status, stderr } = spawnSync("bash", ["-n", GOLDEN + name]);
  expect([status, stderr.toString()]).toEqual([0, ""]);
});

function op(call: string, more: Partial<Op> = {}): Op {
  return { call, object: "x", where: "host", why: "A test.", does: [sys("getpid", [])], ...more };
}

/** Two processes that wait for each other, and a program. */
function planOf(inside: readonly Op[], outside: readonly Op[], args: string[], env: string[] = []): Plan {
  const maps = op("write", { sh: "echo maps > /proc/$PID/uid_map" });
  const ready = op("close_range", { where: "container" });
  const program = sys("execve", ["/bin/x", strings(args), strings(env)]);
  const body = [
    op("setresuid", {
      where: "container",
      sh: "setpriv --reuid 0",
      does: [awaits(maps.does[0] as Instruction, program)],
    }),
    ...inside,
    op("pivot_root", { where: "container", sh: "nsenter -t $PID -m true" }),
    ready,
    op("execve", { where: "container", does: [program] }),
  ];
  const clone: Instruction = { do: "clone", args: struct([]), body: [{ phase: "Namespaces", ops: body }] };
  return {
    run: [
      {
        phase: "Namespaces",
        ops: [op("clone3", { sh: "unshare --mount\necho $PID > /group", does: [clone] }), maps, ...outside],
      },
      { phase: "Life and end", ops: [op("waitid", { does: [awaits(ready.does[0] as Instruction, clone)] })] },
    ],
    failed: [],
    recover: [],
  };
}

const script = (plan: Plan, before: Op[] = []) => {
  const text = explainScript(plan, before);
  isBash(text);
  return text.slice(text.indexOf("# -------- In the container's process"));
};

describe("explainScript", () => {
  test("each process in the plan's order, and what one waits for", () => {
    const text = script(planOf([op("hostname", { where: "container", sh: "hostname a" })], [], ["true"]));
    const lines = text.split("\n").map((l) => l.trim());
    expect(lines.filter((l) => /^(CHAIN|exec|hear|ask|hostname|start|tell|attend|echo|nsenter)\b/.test(l))).toEqual(
      [
        "hear 6",
        "CHAIN+=(setpriv --reuid 0)",
        // biome-ignore lint/suspicious/noTemplateCurlyInString: of bash
        'exec "${CHAIN[@]}" bash -c inside_2',
        "hostname a",
        "CHAIN+=(env -i --default-signal=INT,QUIT --)",
        // biome-ignore lint/suspicious/noTemplateCurlyInString: of bash
        'exec "${CHAIN[@]}" sh -c "$END" sh true',
        "nsenter -t $PID -m true",
        "CHAIN+=(unshare --mount)",
        "start",
        "echo $PID > /group",
        "tell go",
        "echo maps > /proc/$PID/uid_map",
        "tell 6",
        "attend 4",
      ].map((l) => l.replace(/^(hear|tell) 6$/, "$1 7")),
    );
  });

  test("an op without a command is told as such", () => {
    const text = script(planOf([], [op("mount_setattr")], ["true"]));
    expect(text).toContain("\n# step 7: mount_setattr x: no on-board tool does this\n# A test.\n");
  });

  test("what is undone is noted behind the step", () => {
    const undo = { call: "rmdir", object: "x", sh: "rmdir 'a b'", does: [] };
    expect(script(planOf([], [op("mkdirat", { sh: "mkdir 'a b'", undo })], ["true"]))).toContain(
      "\nmkdir 'a b'\nundo 'rmdir '\\''a b'\\'''\n",
    );
  });

  test("neighbouring setpriv are one command", () => {
    const rights = ["setpriv --bounding-set -x", "setpriv --no-new-privs", "setsid", "setpriv --a"];
    const ops = rights.map((sh) => op("prctl", { where: "container", sh }));
    expect(
      script(planOf(ops, [], ["true"]))
        .match(/CHAIN\+=\([^e].*/g)
        ?.slice(0, 5),
    ).toEqual([
      "CHAIN+=(setpriv --reuid 0)",
      "CHAIN+=(--bounding-set -x)",
      "CHAIN+=(--no-new-privs)",
      "CHAIN+=(setsid)",
      "CHAIN+=(setpriv --a)",
    ]);
  });

  test("nothing that a user says begins a line or ends a word", () => {
    const bad = "a'; touch /bad; '\n$(touch /bad)\n`touch /bad`\n\\";
    const text = script(
      planOf(
        [op(`x`, { where: "container", object: bad, why: bad })],
        [op("y", { object: bad, sh: "true" })],
        [bad, "", bad],
        [`A=${bad}`, `PWD=${bad}`],
      ),
    );
    for (const line of text.split("\n")) expect(line).not.toMatch(/^ *(touch|\$\(touch|`touch)/);
    const words = text.match(/sh -c "\$END" sh (.*)$/m)?.[1] ?? "";
    const said = spawnSync("bash", ["-c", `printf '%s\\0' ${words}`]).stdout.toString();
    expect(said.split("\0").slice(0, 3)).toEqual([bad, "", bad]);
    const end = text.match(/^ *END=(.*)$/m)?.[1] ?? "";
    const shown = spawnSync("bash", [
      "-c",
      `END=${end}; sh -c "\${END%exec*}"'printf %s "$PWD"' 8</dev/null 9>/dev/null || true; printf %s "$END"`,
    ]);
    expect(shown.stdout.toString()).toContain(`export PWD='${bad.replaceAll("'", `'\\''`)}'`);
  });

  test("networks are set up unless they are up, each by itself, and apart from the image", () => {
    const network = (name: string, sh: string) => ({
      name,
      device: `vt-${name}`,
      table: "t",
      names: true,
      ops: [op("execve", { object: "nft", sh })],
    });
    const lines = printed("add table inet t\nadd set inet t a { type ifname; }\n");
    const text = explainScript(
      planOf([], [], ["true"]),
      [op("renameat2", { object: "/i", sh: "mv /i.half /i" })],
      [network("front", `${lines} | cat`), network("back", "true")],
    );
    isBash(text);
    expect(text).toContain("\n[ -e /i ] || image\n");
    expect(text).toContain("\nis_up vt-front t || network_1\nis_up vt-back t || network_2\n");
    const function1 = text.match(/^network_1\(\) \{\n[\s\S]*?^\}/m)?.[0] ?? "";
    const said = spawnSync("bash", ["-c", `${function1}\nLOCK=7\nnetwork_1`], { encoding: "utf8" });
    expect(said.stdout).toBe("add table inet t\nadd set inet t a { type ifname; }\n");
    expect(text.slice(0, text.indexOf("set -Ee"))).toContain("- No resolver");
  });

  test("an image is assembled unless it is there", () => {
    const undo = { call: "unlinkat", object: "/i.half", sh: "rm -rf /i.half", does: [] };
    const text = script(planOf([], [], ["true"]), [
      op("mkdirat", { sh: "mkdir /i.half", undo }),
      op("renameat2", { object: "/i", sh: "mv /i.half /i" }),
    ]);
    expect(text).toMatch(
      /image\(\) \{[\s\S]*mkdir \/i\.half\n {2}undo 'rm -rf \/i\.half'[\s\S]*mv \/i\.half \/i\n\}\n\n\[ -e \/i \] \|\| image\n/,
    );
  });
});
