/** Health checks: by flags and by images, what is seen of them, and that nobody is left who makes them. */
import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { watchLeaks } from "../leaks.ts";
import { busybox, directory, STATE, until, vitrine } from "../vitrine.ts";

setDefaultTimeout(60_000);
watchLeaks();

let count = 0;

function run(check: string, ...flags: string[]): string {
  const name = `h${++count}`;
  const every = flags.includes("--health-interval") ? [] : ["--health-interval", "100ms"];
  const made = vitrine([
    "run",
    "-d",
    "--name",
    name,
    "--health-cmd",
    check,
    ...every,
    ...flags,
    "--rootfs",
    busybox(),
    "sleep",
    "1000",
  ]);
  expect(made).toMatchObject({ status: 0, stderr: "" });
  return name;
}

const ask = (name: string, format: string) => vitrine(["inspect", "-f", format, name]).stdout.trimEnd();
const health = (name: string) => ask(name, "{{.State.Health.Status}}");
const gone = (name: string) => expect(vitrine(["rm", "-f", name]).status).toBe(0);

/** Stages at work on plans in STATE/health, and programs that look. */
function checkers(): string[] {
  return readdirSync("/proc").flatMap((pid) => {
    try {
      const command = /^\d+$/.test(pid) ? readFileSync(`/proc/${pid}/cmdline`, "latin1").replaceAll("\0", " ") : "";
      return command.includes(STATE) && /\/health\/| health \//.test(command) ? [`${pid} ${command}`] : [];
    } catch {
      return [];
    }
  });
}

describe("what is seen", () => {
  test("starting, healthy, unhealthy, healthy again; events tell each", async () => {
    const place = directory("signs");
    const name = run(
      "cat /signs/ok",
      "-v",
      `${place}:/signs`,
      "--health-retries",
      "2",
      "--health-start-period",
      "300ms",
    );
    expect(health(name)).toBe("starting");
    expect(vitrine(["ps", "--format", "{{.Status}}"]).stdout).toMatch(/^Up .* \(health: starting\)\n$/);
    writeFileSync(`${place}/ok`, "all is well");
    await until(() => health(name) === "healthy", "health");
    expect(vitrine(["ps", "--format", "{{.Status}}", "-f", "health=healthy"]).stdout).toMatch(/^Up .* \(healthy\)\n$/);
    const [last] = JSON.parse(ask(name, "{{json .State.Health.Log}}")).slice(-1);
    expect(last).toMatchObject({ ExitCode: 0, Output: "all is well" });
    expect(Date.parse(last.End)).toBeGreaterThanOrEqual(Date.parse(last.Start));
    vitrine(["exec", name, "rm", "/signs/ok"]);
    await until(() => health(name) === "unhealthy", "illness");
    expect(Number(ask(name, "{{.State.Health.FailingStreak}}"))).toBeGreaterThanOrEqual(2);
    expect(ask(name, "{{(index .State.Health.Log 0).ExitCode}}")).toMatch(/^[01]$/);
    expect(vitrine(["ps", "-f", "health=healthy", "-q"]).stdout).toBe("");
    writeFileSync(`${place}/ok`, "again");
    await until(() => health(name) === "healthy", "health again");
    await until(() => JSON.parse(ask(name, "{{json .State.Health.Log}}")).length === 5, "five to be kept");
    const told = vitrine([
      "events",
      "--since",
      "1m",
      "--until",
      "0s",
      "--filter",
      `container=${name}`,
      "--format",
      "{{.Action}}",
    ]).stdout;
    expect(told.match(/health_status: \w+/g)).toEqual([
      "health_status: healthy",
      "health_status: unhealthy",
      "health_status: healthy",
    ]);
    gone(name);
  });
  test("one that takes too long has failed, and nothing of it goes on", async () => {
    const name = run("sleep 1001", "--health-timeout", "200ms", "--health-retries", "1");
    await until(() => health(name) === "unhealthy", "illness");
    expect(ask(name, "{{(index .State.Health.Log 0).ExitCode}} {{(index .State.Health.Log 0).Output}}")).toBe(
      "-1 Health check exceeded timeout (0.2s)",
    );
    await until(() => !vitrine(["top", name]).stdout.includes("sleep 1001") || health(name) === "", "its end", 20_000);
    gone(name);
  });
  test("a check that floods: four kilobytes are kept", async () => {
    const name = run("yes | head -c 1000000");
    await until(() => health(name) === "healthy", "health");
    expect(ask(name, "{{len (index .State.Health.Log 0).Output}}")).toBe("4096");
    gone(name);
  });
  test("what is paused is not looked at", async () => {
    const name = run("true");
    await until(() => health(name) === "healthy", "health");
    expect(vitrine(["pause", name]).status).toBe(0);
    await Bun.sleep(200);
    const before = ask(name, "{{json .State.Health}}");
    await Bun.sleep(400);
    expect(ask(name, "{{json .State.Health}}")).toBe(before);
    vitrine(["unpause", name]);
    await until(() => ask(name, "{{json .State.Health}}") !== before, "the next look");
    gone(name);
  });
});

describe("who looks", () => {
  test("is a small process, that ends with the container", async () => {
    const name = run("true");
    await until(() => health(name) === "healthy", "health");
    await until(() => checkers().some((text) => text.includes("vitrine-stage")), "it to wait");
    const [, pid = ""] = /^(\d+)/.exec(checkers().find((text) => text.includes("vitrine-stage")) ?? "") ?? [];
    try {
      const text = readFileSync(`/proc/${pid}/smaps_rollup`, "latin1");
      const own = [...text.matchAll(/^Private_(?:Clean|Dirty): +(\d+)/gm)].reduce((sum, [, n]) => sum + Number(n), 0);
      expect(own).toBeLessThan(200);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT" && (error as NodeJS.ErrnoException).code !== "ESRCH")
        throw error; // it looks again
    }
    expect(vitrine(["stop", "-t", "0", name]).status).toBe(0);
    await until(() => checkers().length === 0, "its end");
    expect(health(name)).toBe("healthy"); // the last that was seen
    expect(vitrine(["ps", "-a", "--format", "{{.Status}}"]).stdout).toMatch(/^Exited \(137\) .* ago\n$/);
    expect(vitrine(["start", name]).status).toBe(0);
    expect(["starting", "healthy"]).toContain(health(name));
    gone(name);
    vitrine(["ps"]);
    expect(existsSync(`${STATE}/health`) ? readdirSync(`${STATE}/health`) : []).toEqual([]);
  });
  test("is killed: the container goes on, unchecked", async () => {
    const name = run("true");
    await until(() => health(name) === "healthy", "health");
    await until(() => {
      for (const text of checkers()) process.kill(Number.parseInt(text, 10), "SIGKILL");
      return checkers().length === 0;
    }, "nobody to be left");
    expect(ask(name, "{{.State.Status}}")).toBe("running");
    expect(vitrine(["stop", "-t", "0", name]).status).toBe(0);
    gone(name);
  });
  test("nobody, where nothing is asked", () => {
    const name = `h${++count}`;
    vitrine(["run", "-d", "--name", name, "--no-healthcheck", "--rootfs", busybox(), "sleep", "1000"]);
    expect(checkers()).toEqual([]);
    expect(ask(name, "{{if .State.Health}}x{{end}}")).toBe("");
    gone(name);
  });
});

describe("on failure", () => {
  test("kill: it has ended, and its restart policy does what it does", async () => {
    const once = run("false", "--health-retries", "1", "--health-on-failure", "kill");
    expect(vitrine(["wait", once]).stdout).toBe("137\n");
    gone(once);
    const always = run("false", "--health-retries", "1", "--health-on-failure", "kill", "--restart", "always");
    await until(() => Number(ask(always, "{{.RestartCount}}")) >= 2, "restarts");
    gone(always);
  });
  test("stop, restart", async () => {
    const stopped = run(
      "false",
      "--health-retries",
      "1",
      "--health-on-failure",
      "stop",
      "--stop-timeout",
      "0",
      "--restart",
      "always",
    );
    await until(() => ask(stopped, "{{.State.Status}}") === "exited", "its end");
    gone(stopped);
    const again = run("false", "--health-retries", "1", "--health-on-failure", "restart", "--stop-timeout", "0");
    const started = ask(again, "{{.State.StartedAt}}");
    await until(() => {
      const now = ask(again, "{{.State.StartedAt}} {{.State.Status}}");
      return now.endsWith(" running") && !now.startsWith(started);
    }, "a new start");
    gone(again);
  });
});

test("in the foreground and with --rm", () => {
  const flags = [
    "--health-cmd",
    "false",
    "--health-interval",
    "100ms",
    "--health-retries",
    "1",
    "--health-on-failure",
    "kill",
  ];
  const done = vitrine(["run", "--rm", ...flags, "--rootfs", busybox(), "sh", "-c", "echo hi; sleep 1000"]);
  expect(done).toMatchObject({ status: 137, stdout: "hi\n" });
});

test.each([
  [["--health-cmd", "true", "--health-interval", "soon"], "--health-interval"],
  [["--health-retries", "3"], "there is no check"],
  [["--no-healthcheck", "--health-cmd", "true"], "does not go with --health-cmd"],
  [["--health-cmd", "true", "--health-on-failure", "cry"], "none, kill, restart, stop"],
])("%p is refused", (flags, words) => {
  const { status, stderr } = vitrine(["run", "--rm", ...flags, "--rootfs", busybox(), "true"]);
  expect(status).toBe(125);
  expect(stderr).toContain(words);
});
