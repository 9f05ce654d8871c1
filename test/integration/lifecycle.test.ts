/** Every command in every state that a container can be in: its exit status, and the state afterwards. Docker's, but where it says so. */
import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { watchLeaks } from "../leaks.ts";
import { busybox, directory, until, vitrine } from "../vitrine.ts";

setDefaultTimeout(120_000);
watchLeaks();

type State = "absent" | "created" | "running" | "paused" | "restarting" | "exited";

const NAME = "one"; // no beginning of an id
const stateOf = (name: string): State => {
  const { status, stdout } = vitrine(["inspect", "--type", "container", "-f", "{{.State.Status}}", name]);
  return status === 0 ? (stdout.trim() as State) : "absent";
};

const MAKE: Record<State, () => Promise<void> | void> = {
  absent: () => undefined,
  created: () => make("create", ["sleep", "1000"]),
  running: () => make("run", ["sleep", "1000"], "-d"),
  paused: () => {
    make("run", ["sleep", "1000"], "-d");
    expect(vitrine(["pause", NAME]).status).toBe(0);
  },
  restarting: async () => {
    // With waits that are long enough for a command.
    make("run", ["sh", "-c", "echo >> /x; exit 3"], "-d", "--restart", "always");
    await until(() => vitrine(["inspect", "-f", "{{.RestartCount}}", NAME]).stdout.trim() >= "4", "restarts");
    await until(() => stateOf(NAME) === "restarting", "it to wait");
  },
  exited: () => {
    make("run", ["sh", "-c", "exit 3"], "-d");
    expect(vitrine(["wait", NAME]).stdout).toBe("3\n");
  },
};

function make(command: string, program: string[], ...flags: string[]): void {
  const made = vitrine([command, ...flags, "--name", NAME, "--rootfs", busybox(), ...program]);
  expect(made).toMatchObject({ status: 0, stderr: "" });
}

const STATES: readonly State[] = ["absent", "created", "running", "paused", "restarting", "exited"];
const SAME = "same";

/** For each state: exit status, and the state afterwards. */
const TABLE: readonly [string, readonly string[], Record<State, readonly [number, State | typeof SAME]>][] = [
  ["start", ["start", NAME], row([1], [0, "running"], [0], [1], [0], [0])],
  ["stop", ["stop", "-t", "0", NAME], row([1], [0], [0, "exited"], [0, "exited"], [0, "exited"], [0])],
  ["kill", ["kill", NAME], row([1], [1], [0, "exited"], [0, "exited"], [0, "exited"], [1])],
  ["kill -s HUP", ["kill", "-s", "URG", NAME], row([1], [1], [0], [0], [0], [1])],
  ["restart", ["restart", "-t", "0", NAME], row([1], [0, "running"], [0], [0, "running"], [0], [0])],
  ["pause", ["pause", NAME], row([1], [1], [0, "paused"], [1], [1], [1])],
  ["unpause", ["unpause", NAME], row([1], [1], [1], [0, "running"], [1], [1])],
  [
    "rename",
    ["rename", NAME, "other"],
    row([125], [0, "absent"], [0, "absent"], [0, "absent"], [0, "absent"], [0, "absent"]),
  ],
  ["rename to itself", ["rename", NAME, NAME], row([125], [125], [125], [125], [125], [125])],
  ["rm", ["rm", NAME], row([1], [0, "absent"], [1], [1], [1], [0, "absent"])],
  ["rm -f", ["rm", "-f", NAME], row([0], [0, "absent"], [0, "absent"], [0, "absent"], [0, "absent"], [0, "absent"])],
  ["attach", ["attach", "--no-stdin", NAME], row([1], [1], undefined, [1], [1], [1])],
  ["exec", ["exec", NAME, "true"], row([1], [1], [0], [1], [1], [1])],
  ["top", ["top", NAME], row([1], [1], [0], [0], [1], [1])],
  ["logs", ["logs", NAME], row([1], [0], [0], [0], [0], [0])],
  ["inspect", ["inspect", NAME], row([1], [0], [0], [0], [0], [0])],
  ["port", ["port", NAME], row([1], [0], [0], [0], [0], [0])],
  ["wait", ["wait", NAME], row([1], [0], undefined, undefined, undefined, [0])],
  [
    "wait for what is",
    ["wait", "--condition", "created", NAME],
    row([1], [0], undefined, undefined, undefined, undefined),
  ],
  ["update", ["update", "--cpu-shares", "512", NAME], row([1], [0], [0], [0], [0], [0])],
  [
    "create of the same name",
    ["create", "--name", NAME, "--rootfs", busybox(), "true"],
    row([0, "created"], [125], [125], [125], [125], [125]),
  ],
  ["container prune", ["container", "prune", "-f"], row([0], [0, "absent"], [0], [0], [0], [0, "absent"])],
];

type Cell = readonly [number, (State | typeof SAME)?] | undefined;

/** @param cells in the order of STATES; undefined: it waits for something else */
function row(...cells: Cell[]): Record<State, readonly [number, State | typeof SAME]> {
  return Object.fromEntries(
    STATES.flatMap((state, i) => {
      const cell = cells[i];
      return cell === undefined ? [] : [[state, [cell[0], cell[1] ?? SAME] as const]];
    }),
  ) as Record<State, readonly [number, State | typeof SAME]>;
}

for (const state of STATES)
  describe(state, () => {
    for (const [what, args, expected] of TABLE) {
      const cell = expected[state];
      if (!cell) continue;
      test(what, async () => {
        await MAKE[state]();
        try {
          await check(what, args, state, cell);
        } finally {
          vitrine(["rm", "-f", NAME, "other"]);
        }
      });
    }
  });

async function check(
  what: string,
  args: readonly string[],
  state: State,
  cell: readonly [number, State | typeof SAME],
): Promise<void> {
  const [status, after] = cell;
  const done = vitrine(args);
  expect({ args, ...done, status: done.status }).toMatchObject({ args, status });
  if (status !== 0) expect(done.stderr).toMatch(/^vitrine: \S/);
  if (status !== 0) expect(done.stderr).not.toContain("--debug shows");
  if (status === 0 && !["rm -f"].includes(what)) expect(done.stderr).toBe("");
  const now = stateOf(NAME);
  if (state === "exited" && status === 0 && after === SAME) await until(() => stateOf(NAME) === "exited", "its end");
  else if (state === "restarting" && after === SAME) expect(["restarting", "running", "exited"]).toContain(now);
  else if (after === "exited" && what === "kill") await until(() => stateOf(NAME) === "exited", "its end");
  else expect(now).toBe(after === SAME ? state : after);
}

test("every state but running is kept over a command that fails in the middle of nothing", () => {
  MAKE.created();
  const gone = directory("nothing");
  expect(vitrine(["start", "-a", NAME, "--detach-keys", "ctrl-nothing"], { cwd: gone }).status).toBe(1);
  expect(stateOf(NAME)).toBe("created");
  vitrine(["rm", NAME]);
});
