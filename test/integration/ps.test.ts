/** Looking at containers: ps with its filters and formats, inspect, port, wait, pause. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { busybox, directory, until, vitrine, vitrineAsync } from "../vitrine.ts";

setDefaultTimeout(60_000);

/** Newest last. */
const ids: Record<string, string> = {};
const lines = (text: string) => text.split("\n").filter((line) => line !== "");
const names = (...args: string[]) => {
  const { status, stdout, stderr } = vitrine(["ps", "--format", "{{.Names}}", ...args]);
  expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
  return lines(stdout).join(" ");
};

beforeAll(async () => {
  const volume = directory("data");
  const make = (command: string, name: string, flags: string[], ...program: string[]) => {
    const made = vitrine([command, "--name", name, ...flags, "--rootfs", busybox(), ...program]);
    ids[name] = made.stdout.trim();
  };
  make("create", "fresh", ["-l", "color=red", "-l", "size=1"], "true");
  await Bun.sleep(5);
  make("run", "up", ["-d", "-l", "color=blue", "-v", `${volume}:/data:ro`], "sleep", "1000");
  await Bun.sleep(5);
  make("run", "held", ["-d", "-l", "color=red", "--memory", "64m"], "sleep", "1000");
  await Bun.sleep(5);
  make("run", "over", ["-d", "--network", "host"], "sh", "-c", "echo hello > /x; exit 3");
  vitrine(["wait", "over"]);
  await Bun.sleep(5);
  make("run", "short", ["-d", "--rm"], "sleep", "1000");
  expect(vitrine(["pause", "held"])).toEqual({ status: 0, stdout: "held\n", stderr: "" });
});

afterAll(() => {
  expect(vitrine(["rm", "-f", ...Object.keys(ids)]).status).toBe(0);
});

describe("ps", () => {
  test("has docker's columns; only what runs, unless with -a", () => {
    const [head = "", ...rows] = lines(vitrine(["ps"]).stdout);
    expect(head).toMatch(/^CONTAINER ID {3}IMAGE +COMMAND +CREATED +STATUS +PORTS +NAMES$/);
    expect(rows.length).toBe(3);
    expect(rows[0]).toMatch(/^[0-9a-f]{12} {3}rootfs:\S+ +"sleep 1000" +\S.* ago +Up \S.* +short$/);
    expect(names("-a")).toBe("short over held up fresh");
    expect(lines(vitrine(["ps", "-s"]).stdout)[0]).toEndWith("NAMES   SIZE");
  });
  test("what each is doing", () => {
    const status = (name: string) =>
      vitrine(["ps", "-a", "-f", `name=^${name}$`, "--format", "{{.State}}: {{.Status}}"]).stdout;
    expect(status("fresh")).toBe("created: Created\n");
    expect(status("up")).toMatch(/^running: Up \d+ seconds?|^running: Up Less than a second/);
    expect(status("held")).toMatch(/^paused: Up .* \(Paused\)\n$/);
    expect(status("over")).toMatch(/^exited: Exited \(3\) .* ago\n$/);
  });
  test("the last ones", () => {
    expect(names("-l")).toBe("short");
    expect(names("-n", "2")).toBe("short over");
    expect(names("-n", "-1")).toBe("short held up");
    expect(vitrine(["ps", "-n", "x"]).status).toBe(125);
  });
  test("-q and --no-trunc", () => {
    expect(vitrine(["ps", "-aq", "--no-trunc", "-f", "name=fresh"]).stdout).toBe(`${ids.fresh}\n`);
    expect(vitrine(["ps", "-aq", "-f", "name=fresh"]).stdout).toBe(`${ids.fresh?.slice(0, 12)}\n`);
    expect(vitrine(["ps", "-a", "--no-trunc", "-f", "name=over"]).stdout).toContain('"sh -c echo hello > /x; exit 3"');
    expect(vitrine(["ps", "-a", "-f", "name=over"]).stdout).toContain('"sh -c echo hello > …"');
  });
  test.each([
    [["-a", "-f", "name=e"], "over held fresh"],
    [["-a", "-f", "name=^/up$"], "up"],
    [["-a", "-f", "name=up", "-f", "name=over"], "over up"],
    [["-a", "-f", "label=color"], "held up fresh"],
    [["-a", "-f", "label=color=red"], "held fresh"],
    [["-a", "-f", "label=color=red", "-f", "label=size"], "fresh"],
    [["-a", "-f", "label=color=red", "-f", "name=held"], "held"],
    [["-f", "status=created"], "fresh"],
    [["-f", "status=created", "-f", "status=exited"], "over fresh"],
    [["-f", "status=paused"], "held"],
    [["-f", "status=running"], "short up"],
    [["-f", "status=dead"], ""],
    [["-a", "-f", "exited=3"], "over"],
    [["-a", "-f", "exited=0"], ""],
    [["-f", "exited=3"], ""],
    [["-a", "-f", "before=held"], "up fresh"],
    [["-a", "-f", "since=held"], "short over"],
    [["-a", "-f", "network=host"], "over"],
    [["-a", "-f", "volume=/data"], "up"],
    [["-a", "-f", "volume=/nowhere"], ""],
    [["-a", "-f", "publish=80"], ""],
    [["-a", "-f", "health=none"], "short over held up fresh"],
    [["-a", "-f", "is-task=true"], ""],
    [["-a", "-f", "is-task=false", "-f", "name=up"], "up"],
    [["-a", "-f", "ancestor=nothing"], ""],
  ])("%p", (args, expected) => expect(names(...args)).toBe(expected));
  test("by id, by volume's source, by image", () => {
    expect(names("-a", "-f", `id=${ids.over?.slice(0, 20)}`)).toBe("over");
    expect(names("-a", "-f", `volume=${directory("data")}`)).toBe("up");
    expect(names("-a", "-f", `ancestor=rootfs:${busybox()}`)).toBe("short over held up fresh");
  });
  test.each([
    "color=red",
    "name",
    "status=asleep",
    "exited=x",
    "before=nobody",
    "health=ill",
    "is-task=maybe",
    "publish=x",
  ])("filter %s is refused", (filter) => {
    const { status, stdout, stderr } = vitrine(["ps", "-f", filter]);
    expect({ status, stdout }).toEqual({ status: 125, stdout: "" });
    expect(stderr).toStartWith("vitrine: ");
  });
  test("formats", () => {
    const show = (format: string) => vitrine(["ps", "-a", "-f", "name=fresh", "--format", format]).stdout;
    expect(show('{{.ID}} {{.Label "color"}} {{.Labels}}')).toBe(`${ids.fresh?.slice(0, 12)} red color=red,size=1\n`);
    expect(show("table {{.Names}}\\t{{.Status}}")).toBe("NAMES   STATUS\nfresh   Created\n");
    expect(show('{{if eq .State "created"}}{{upper .Names}}{{end}}')).toBe("FRESH\n");
    const row = JSON.parse(show("json"));
    expect(Object.keys(row)).toEqual(
      "Command CreatedAt ID Image Labels LocalVolumes Mounts Names Networks Ports RunningFor Size State Status".split(
        " ",
      ),
    );
    expect(JSON.parse(show("{{json .}}"))).toEqual(row);
    expect(vitrine(["ps", "--format", "{{.Color}}"])).toMatchObject({
      status: 125,
      stderr: expect.stringContaining("no field .Color"),
    });
    expect(vitrine(["ps", "--format", "{{.Names"]).status).toBe(125);
    expect(vitrine(["ps", "-a", "--json"]).status).toBe(0);
  });
});

describe("inspect", () => {
  const ask = (name: string, format: string, ...flags: string[]) => {
    const { stdout, stderr } = vitrine(["inspect", ...flags, "-f", format, name]);
    expect(stderr).toBe("");
    return stdout.trimEnd();
  };
  test("what each is doing", () => {
    const format = "{{with .State}}{{.Status}} {{.Running}} {{.Paused}} {{.ExitCode}} {{.OOMKilled}}{{end}}";
    expect(ask("fresh", format)).toBe("created false false 0 false");
    expect(ask("up", format)).toBe("running true false 0 false");
    expect(ask("held", format)).toBe("paused true true 0 false");
    expect(ask("over", format)).toBe("exited false false 3 false");
    expect(ask("fresh", "{{.State.StartedAt}}")).toBe("0001-01-01T00:00:00Z");
    expect(Date.parse(ask("over", "{{.State.FinishedAt}}"))).toBeGreaterThan(Date.parse(ask("over", "{{.Created}}")));
    expect(ask("over", "{{if .State.Health}}x{{end}}")).toBe("");
  });
  test("its first process is who it says", () => {
    const pid = ask("up", "{{.State.Pid}}");
    expect(readFileSync(`/proc/${pid}/cmdline`, "latin1")).toBe("sleep\x001000\x00");
    expect(ask("over", "{{.State.Pid}}")).toBe("0");
  });
  test("what it was asked for", () => {
    expect(ask("up", '{{.Path}} {{join .Args ","}} {{.Name}}')).toBe("sleep 1000 /up");
    expect(ask("up", "{{range .Mounts}}{{.Type}} {{.Source}} {{.Destination}} {{.RW}}{{end}}")).toBe(
      `bind ${directory("data")} /data false`,
    );
    expect(ask("held", "{{.HostConfig.Memory}} {{.HostConfig.NetworkMode}}")).toBe(`${64 << 20} none`);
    expect(ask("fresh", '{{index .Config.Labels "color"}} {{.Config.Labels.size}} {{.Config.Labels.no}}')).toBe(
      "red 1 <no value>",
    );
    expect(ask("short", "{{.HostConfig.AutoRemove}} {{.Config.Hostname}}")).toBe(`true ${ids.short?.slice(0, 12)}`);
    expect(ask("over", "{{.SizeRw}}", "-s")).toBe("6");
    expect(ask("over", "{{len .Config.Env}} {{json .Config.Cmd}}")).toBe('3 ["sh","-c","echo hello > /x; exit 3"]');
  });
  test("has the parts that docker's has", () => {
    const [all] = JSON.parse(vitrine(["inspect", "up"]).stdout);
    for (const name of "Id Created Path Args State Image ResolvConfPath HostnamePath HostsPath LogPath Name RestartCount Driver Platform MountLabel ProcessLabel AppArmorProfile ExecIDs HostConfig GraphDriver Mounts Config NetworkSettings".split(
      " ",
    ))
      expect(all).toHaveProperty(name);
    expect(all.Id).toBe(ids.up);
  });
  test("several, short ids, and what is not there", () => {
    const { status, stdout, stderr } = vitrine(["inspect", ids.up?.slice(0, 8) ?? "", "nobody", "fresh"]);
    expect(status).toBe(1);
    expect(JSON.parse(stdout).map((c: { Name: string }) => c.Name)).toEqual(["/up", "/fresh"]);
    expect(stderr).toContain('nothing is called "nobody"');
    expect(vitrine(["inspect", "nobody"])).toMatchObject({ status: 1, stdout: "[]\n" });
    expect(vitrine(["inspect", "--type", "image", "up"]).status).toBe(1);
    expect(vitrine(["inspect", "--type", "color", "up"])).toMatchObject({ status: 125 });
    expect(vitrine(["container", "inspect", "up"]).status).toBe(0);
  });
  test("an ambiguous beginning of ids", () => {
    expect(vitrine(["inspect", ""]).status).toBe(1);
    const all = Object.values(ids);
    const shared = "0123456789abcdef".split("").find((digit) => all.filter((id) => id.startsWith(digit)).length > 1);
    if (shared === undefined) return; // these five ids begin with five digits
    expect(vitrine(["inspect", shared]).stderr).toContain("is the beginning of");
    expect(vitrine(["stop", shared]).stderr).toContain("is the beginning of");
  });
});

describe("port", () => {
  test("none is published", () => {
    expect(vitrine(["port", "up"])).toEqual({ status: 0, stdout: "", stderr: "" });
    expect(vitrine(["port", "up", "80/tcp"])).toMatchObject({
      status: 1,
      stderr: expect.stringContaining("no port of the host leads to"),
    });
    expect(vitrine(["port", "nobody"]).status).toBe(1);
    expect(vitrine(["port", "up", "x"]).status).toBe(1);
  });
});

describe("wait", () => {
  test("of one that has ended, and of several", async () => {
    expect(vitrine(["wait", "over", "over"]).stdout).toBe("3\n3\n");
    expect(vitrine(["wait", "--condition", "running", "up"]).stdout).toBe("0\n");
    expect(vitrine(["wait", "--condition", "asleep", "up"]).status).toBe(125);
    expect(vitrine(["wait", "nobody"]).status).toBe(1);
  });
  test("until it runs, until it has ended, until it is gone", async () => {
    const made = vitrine(["create", "--name", "later", "--rootfs", busybox(), "sh", "-c", "sleep 0.5; exit 9"]);
    expect(made.status).toBe(0);
    const waits = ["next-exit", "removed", "running", "exited"].map((c) =>
      vitrineAsync(["wait", "--condition", c, "later"]),
    );
    await Bun.sleep(300);
    vitrine(["start", "later"]);
    const [next, , running, ended] = await Promise.all([waits[0], undefined, waits[2], waits[3]]);
    expect(running?.stdout).toBe("0\n");
    expect(next?.stdout).toBe("9\n");
    expect(ended?.stdout).toBe("9\n");
    vitrine(["rm", "later"]);
    expect((await waits[1])?.stdout).toBe("9\n");
  });
});

describe("pause", () => {
  test("a monitor that is killed while its container is held: the next command ends what is held", async () => {
    vitrine(["run", "-d", "--name", "frozen", "--rootfs", busybox(), "sleep", "1000"]);
    const [pid = ""] = [vitrine(["inspect", "-f", "{{.State.Pid}}", "frozen"]).stdout.trim()];
    expect(vitrine(["pause", "frozen"]).status).toBe(0);
    const monitor = /^PPid:\t(\d+)$/m.exec(readFileSync(`/proc/${pid}/status`, "latin1"))?.[1];
    process.kill(Number(monitor), "SIGKILL");
    await until(() => names("-a", "-f", "name=frozen", "-f", "status=exited") === "frozen", "its end to be seen");
    await until(() => !existsSync(`/proc/${pid}`), "the process to be gone");
    expect(vitrine(["rm", "frozen"]).status).toBe(0);
  });
  test("nothing moves until unpause; a second time it is an error", async () => {
    const place = directory("moving");
    const script = "while :; do echo >> /p/x; sleep 0.01; done";
    vitrine(["run", "-d", "--rm", "--name", "moving", "-v", `${place}:/p`, "--rootfs", busybox(), "sh", "-c", script]);
    const size = () => (existsSync(`${place}/x`) ? readFileSync(`${place}/x`).length : 0);
    await until(() => size() > 0, "it to write");
    expect(vitrine(["pause", "moving"]).status).toBe(0);
    const then = size();
    await Bun.sleep(200);
    expect(size()).toBe(then);
    expect(vitrine(["pause", "moving"]).stderr).toContain("is paused already");
    expect(vitrine(["unpause", "moving"]).status).toBe(0);
    await until(() => size() > then, "it to go on");
    expect(vitrine(["unpause", "moving"]).stderr).toContain("is not paused");
    expect(vitrine(["pause", "moving"]).status).toBe(0);
    const began = performance.now();
    expect(vitrine(["stop", "-t", "0", "moving"]).status).toBe(0);
    expect(performance.now() - began).toBeLessThan(5000);
    expect(names("-a", "-f", "name=moving")).toBe("");
    expect(vitrine(["pause", "over"]).stderr).toContain("is not running");
  });
});
