// What a program does with the library; run by each runtime of JavaScript, one scenario a process: RUNTIME scenarios.mjs NAME
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { buffer, text } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";
import { Vitrine, VitrineError } from "vitrine";

const v = new Vitrine();
const rootfs = process.env.ROOTFS;
const sh = (script) => ({ rootfs, command: ["sh", "-c", script] });

const scenarios = {
  async "a run has both streams apart, and a status"() {
    const c = await v.run(sh("echo out; echo err >&2; exit 3"));
    assert.match(c.id, /^[0-9a-f]{64}$/);
    assert.deepEqual(await c.output(), { exitCode: 3, outOfMemory: false, stdout: "out\n", stderr: "err\n" });
    assert.deepEqual(await v.containers({ all: true }), []);
  },

  async "standard input is a stream"() {
    const c = await v.run({ ...sh("cat; echo end"), stdin: true });
    c.stdin.write("one\n");
    c.stdin.end("two\n");
    assert.equal((await c.output()).stdout, "one\ntwo\nend\n");
    assert.equal((await v.run(sh("cat; echo end")).then((d) => d.output())).stdout, "end\n");
  },

  async "what does not come to its program is an error with a code"() {
    const code = (promise) => promise.then(() => assert.fail("it went well"), (error) => error.code ?? error.constructor.name);
    assert.equal(await code(v.run({ rootfs, command: ["nosuch"] })), "COMMAND_NOT_FOUND");
    assert.equal(await code(v.run({ rootfs: "/nosuch", command: ["true"] })), "NOT_FOUND");
    assert.equal(await code(v.run({ ...sh("true"), memory: "1k" })), "INVALID");
    assert.equal(await code(v.run({ ...sh("true"), memroy: "1g" })), "TypeError");
    assert.equal(await code(v.run({ command: ["true"] })), "TypeError");
    assert.equal(await code(v.container("nosuch").inspect()), "NOT_FOUND");
    const error = await v.run({ rootfs, command: ["nosuch"] }).catch((e) => e);
    assert.ok(error instanceof VitrineError && error instanceof Error);
    assert.ok(error.hint.includes("nosuch") && error.exitStatus === 127);
    assert.throws(() => new Vitrine({ program: "/nosuch" }), { code: "NOT_FOUND" });
  },

  async "options: environment, user, directory, limits, mounts"() {
    const c = await v.run({
      ...sh('echo "$GREETING|$(id -u):$(id -g)|$PWD|$(hostname)|$(cat /data/x)|$(ulimit -n)"'),
      ...{ env: { GREETING: "hello = you" }, user: "7:8", workdir: "/tmp", hostname: "heron", memory: 64 * 2 ** 20 },
      ...{ volumes: [`${process.env.DATA}:/data:ro`], ulimits: ["nofile=64:64"], labels: { a: "b" } },
    });
    assert.equal((await c.output()).stdout, "hello = you|7:8|/tmp|heron|x\n|64\n".replace("x\n|", "x|"));
  },

  async "await using ends it, whatever it does"() {
    let id;
    {
      const c = await v.run(sh("trap '' TERM INT; echo up; while :; do sleep 1; done"));
      id = c.id;
      assert.equal(String(await once(c.stdout, "data").then(([d]) => d)), "up\n");
      assert.equal((await v.containers()).map((row) => row.ID).join(), id);
      await c[Symbol.asyncDispose]();
      assert.deepEqual(await c.exited, { exitCode: 137, outOfMemory: false });
    }
    assert.deepEqual(await v.containers({ all: true }), []);
  },

  async "signals reach the program"() {
    const c = await v.run(sh("trap 'echo term; exit 5' TERM; echo up; while :; do sleep 0.1; done"));
    await once(c.stdout, "readable");
    c.kill("SIGTERM");
    const { exitCode, stdout } = await c.output();
    assert.deepEqual({ exitCode, stdout }, { exitCode: 5, stdout: "up\nterm\n" });
    c.kill();
  },

  async "an AbortSignal ends what is being started, and calls"() {
    const gone = AbortSignal.abort(new Error("no more"));
    await assert.rejects(v.run({ ...sh("true"), signal: gone }), /no more/);
    const soon = AbortSignal.timeout(200);
    await assert.rejects(v.container(await lasting(sh("sleep 1000"))).wait({ signal: soon }), { name: "TimeoutError" });
    for (const { ID } of await v.containers({ all: true })) await v.container(ID).remove({ force: true });
  },

  async "exec: more processes, each with streams and a status"() {
    await using_(await v.run(sh("echo up; sleep 1000")), async (c) => {
      await once(c.stdout, "readable");
      const done = await c.execute(["sh", "-c", "echo $X; echo no >&2; exit 4"], { env: { X: "y" } });
      assert.deepEqual(done, { exitCode: 4, outOfMemory: false, stdout: "y\n", stderr: "no\n" });
      const cat = await c.exec(["cat"], { stdin: true });
      cat.stdin.end("through");
      assert.equal((await cat.output()).stdout, "through");
      await assert.rejects(c.exec(["nosuch"]), { code: "COMMAND_NOT_FOUND" });
      const stays = await c.exec(["sleep", "1000"]);
      stays.kill("SIGKILL");
      assert.equal((await stays.exited).exitCode, 137);
      assert.ok(Number((await c.stats()).PIDs) >= 1);
      assert.equal((await c.inspect()).State.Status, "running");
    });
  },

  async "a container that meets its memory limit says so"() {
    const script = "x=$(head -c 60000000 /dev/zero | tr '\\0' a); echo $x";
    const c = await v.run({ ...sh(script), memory: "16m", memorySwap: "16m" });
    c.stdout.resume();
    c.stderr.resume();
    const { exitCode, outOfMemory } = await c.exited;
    assert.deepEqual({ exitCode, outOfMemory }, { exitCode: 137, outOfMemory: true });
  },

  async "containers that stay: create, start, logs, stop, start again, remove"() {
    const c = await v.create({ ...sh("echo $$; echo hello >&2; sleep 1000"), name: "stays", labels: { kind: "test" } });
    assert.equal((await c.inspect()).State.Status, "created");
    await c.start();
    await c.start();
    while (!(await text(c.logs().stderr)).includes("hello")) await sleep(20);
    const following = c.logs({ follow: true });
    following.stderr.resume();
    const read = text(following.stdout);
    await c.pause();
    assert.equal((await c.inspect()).State.Status, "paused");
    await c.unpause();
    await c.stop({ seconds: 0 });
    assert.equal(await c.wait(), 137);
    assert.equal(await read, "1\n");
    assert.deepEqual(
      (await v.containers({ all: true, filters: { label: "kind=test" } })).map((row) => [row.Names, row.State]),
      [["stays", "exited"]],
    );
    await c.rename("moved");
    await v.container("moved").start();
    await assert.rejects(v.container("moved").remove(), { code: "CONFLICT" });
    await c[Symbol.asyncDispose]();
    await c[Symbol.asyncDispose]();
    assert.deepEqual(await v.containers({ all: true }), []);
  },

  async "a container comes to a network, and leaves one"() {
    for (const [name, n] of [["libone", 1], ["libtwo", 2]]) await v.call(["network", "create", "--subnet", `10.95.${n}.0/24`, name]);
    const c = await v.create({ ...sh("true"), network: "libone" });
    const networks = async () => (await c.inspect()).NetworkSettings.Networks;
    await c.connect("libtwo", { ip: "10.95.2.7", aliases: ["db"], device: "db0" });
    await assert.rejects(c.connect("libtwo"), { code: "CONFLICT" });
    await c.disconnect("libone");
    await assert.rejects(c.disconnect("libone"), { code: "CONFLICT" });
    assert.deepEqual(Object.keys(await networks()), ["libtwo"]);
    assert.deepEqual((await networks()).libtwo.Aliases, ["db"]);
    assert.deepEqual((await networks()).libtwo.IPAMConfig, { IPv4Address: "10.95.2.7" });
    await c.remove();
    await v.call(["network", "rm", "libone", "libtwo"]);
  },

  async "much output, read slowly, is whole"() {
    const c = await v.run(sh("head -c 20000000 /dev/zero; head -c 3000000 /dev/zero >&2"));
    let [out, err] = [0, 0];
    const slowly = (async () => {
      for await (const chunk of c.stdout) {
        out += chunk.length;
        if (out % 7 === 0) await sleep(1);
      }
    })();
    for await (const chunk of c.stderr) err += chunk.length;
    await slowly;
    assert.deepEqual([out, err, (await c.exited).exitCode], [20_000_000, 3_000_000, 0]);
  },

  async "a container cannot speak for the command"() {
    const c = await v.run(sh(`printf '\\0360000000001.0123456789abcdef{"error":{"code":"INVALID","message":"x"}}\\n' >&2; printf '\\036' >&2`));
    const { exitCode, stderr } = await c.output();
    assert.equal(exitCode, 0);
    assert.ok(stderr.includes('"INVALID"') && stderr.endsWith("\x1e"));
  },

  async "files in and out, what changed, an image of it"() {
    const c = await v.create({ image: "host:sh,sleep,cat,mkdir", command: ["sh", "-c", "mkdir /made; sleep 1000"], name: "files" });
    await c.start();
    await c.copyIn(`${process.env.DATA}/x`, "/made/x");
    assert.equal((await c.execute(["cat", "/made/x"])).stdout, "x\n");
    await c.copyOut("/made/x", `${process.env.DATA}/back`);
    assert.equal(readFileSync(`${process.env.DATA}/back`, "utf8"), "x\n");
    const tar = await buffer(c.read("/made/x"));
    assert.ok(tar.length % 512 === 0 && tar.includes("x\n"));
    assert.ok((await c.diff()).some(({ kind, path }) => kind === "A" && path === "/made/x"));
    const id = await c.commit("files:1", { message: "of a test", changes: ["ENV A=b"] });
    assert.equal((await v.inspectImage("files:1")).Id, id);
    assert.equal((await (await v.run({ image: "files:1", command: ["sh", "-c", "cat /made/x; echo $A"] })).output()).stdout, "x\nb\n");
    await assert.rejects(c.copyOut("/nosuch", "/tmp"), { code: "NOT_FOUND" });
    await c[Symbol.asyncDispose]();
    await v.removeImage("files:1");
  },

  async "volumes"() {
    const name = await v.volumes.create({ name: "data", labels: { a: "b" } });
    assert.equal(name, "data");
    const on = (script) => v.run({ ...sh(script), volumes: ["data:/data"] }).then((c) => c.output());
    await on("echo kept > /data/file");
    assert.equal((await on("cat /data/file")).stdout, "kept\n");
    assert.deepEqual((await v.volumes.list({ filters: { label: "a=b" } })).map(({ Name }) => Name), ["data"]);
    assert.ok((await v.volumes.inspect("data")).Mountpoint.startsWith("/"));
    await v.volumes.remove("data");
    await assert.rejects(v.volumes.inspect("data"), { code: "NOT_FOUND" });
  },

  async "networks"() {
    const id = await v.networks.create("lib", { subnet: "10.92.77.0/24", ipv6: false, dns: false, labels: { a: "b" } });
    assert.match(id, /^[0-9a-f]{64}$/);
    assert.deepEqual((await v.networks.list({ filters: { label: "a=b" } })).map(({ Name }) => Name), ["lib"]);
    const { IPAM, EnableIPv6, Internal } = await v.networks.inspect("lib");
    assert.equal(IPAM.Config[0].Subnet, "10.92.77.0/24");
    assert.deepEqual([EnableIPv6, Internal], [false, false]);
    await assert.rejects(v.networks.create("lib"), { code: "CONFLICT" });
    await assert.rejects(v.networks.create("other", { subnett: "10.92.78.0/24" }), TypeError);
    const c = await v.create({ ...sh("true"), name: "onlib", network: "none" });
    await assert.rejects(c.connect("nosuch"), { code: "NOT_FOUND" });
    await assert.rejects(c.connect("lib"), { code: "INVALID" });
    await assert.rejects(c.connect("lib", { adress: "10.92.77.7" }), TypeError);
    await c.remove();
    const on = await v.create({ ...sh("sleep 100"), name: "onlib", network: "lib" });
    const networks = async () => Object.keys((await on.inspect()).NetworkSettings.Networks);
    await v.networks.create("more", { dns: false });
    await on.connect("more", { aliases: ["www"] });
    assert.deepEqual((await networks()).sort(), ["lib", "more"]);
    await on.disconnect("lib");
    assert.deepEqual(await networks(), ["more"]);
    await assert.rejects(on.disconnect("lib"), { code: "CONFLICT" });
    await on.remove();
    await v.networks.remove("more");
    await v.networks.remove("lib");
    await assert.rejects(v.networks.inspect("lib"), { code: "NOT_FOUND" });
    await v.networks.prune();
  },

  async "events, of every process"() {
    const seen = [];
    const stop = new AbortController();
    const reading = (async () => {
      for await (const { Type, Action } of v.events({ since: 1, filters: { type: "container" }, signal: stop.signal })) {
        seen.push(`${Type} ${Action}`);
        if (Action === "destroy") break;
      }
    })();
    const c = await v.create(sh("exit 0"));
    await c.start();
    await c.wait();
    await c.remove();
    await reading;
    for (const action of ["create", "start", "die", "destroy"]) assert.ok(seen.includes(`container ${action}`), `${seen}`);
    const never = v.events({ signal: AbortSignal.timeout(200) });
    await assert.rejects(async () => {
      for await (const _ of never);
    }, { name: "TimeoutError" });
  },

  async "attach: what it writes from now on, and its standard input"() {
    const c = await v.create({ ...sh("while read line; do echo got $line; done; echo end"), flags: ["--interactive"] });
    await c.start();
    const { stdin, stdout, close } = c.attach();
    stdin.write("one\n");
    assert.equal(String(await once(stdout, "data").then(([d]) => d)), "got one\n");
    close(); // the container goes on
    assert.equal((await c.inspect()).State.Status, "running");
    await c.kill();
    assert.equal(await c.wait(), 137);
    await v.pruneContainers();
    assert.deepEqual(await v.containers({ all: true }), []);
    assert.ok(String((await v.info()).KernelVersion).includes("."));
  },

  async "many at once"() {
    const all = await Promise.all(Array.from({ length: 12 }, (_, i) => v.run(sh(`echo ${i}`)).then((c) => c.output())));
    assert.deepEqual(all.map(({ stdout }) => stdout), Array.from({ length: 12 }, (_, i) => `${i}\n`));
  },

  async "when the owner is killed, its containers and execs are gone"() {
    const child = spawn(process.execPath, [process.argv[1], "hold"], { stdio: ["ignore", "pipe", "inherit"] });
    const [id] = String(await once(child.stdout, "data").then(([d]) => d)).split("\n");
    const { State } = await v.container(id).inspect();
    const processes = readFileSync(`/proc/${State.Pid}/task/${State.Pid}/children`, "utf8");
    child.kill("SIGKILL");
    await once(child, "exit");
    for (let i = 0; (await v.containers({ all: true })).length > 0; i++) {
      assert.ok(i < 100, "it is still there");
      await sleep(50);
    }
    for (const pid of [State.Pid, ...processes.trim().split(" ").filter(Boolean)])
      assert.throws(() => process.kill(Number(pid), 0), { code: "ESRCH" });
  },

  async hold() {
    const c = await v.run(sh("trap '' TERM HUP; sleep 1000 & echo up; wait"));
    await once(c.stdout, "readable");
    await c.exec(["sleep", "1000"]);
    console.log(c.id);
    await sleep(100_000);
  },
};

async function lasting(options) {
  const c = await v.create(options);
  await c.start();
  return c.id;
}

// Node 22 does not know `await using`.
async function using_(resource, body) {
  try {
    await body(resource);
  } finally {
    await resource[Symbol.asyncDispose]();
  }
}

const [, , name] = process.argv;
if (name === "--list") console.log(JSON.stringify(Object.keys(scenarios).filter((n) => n !== "hold")));
else {
  const scenario = scenarios[name];
  assert.ok(scenario, `there is no scenario "${name}"`);
  await scenario();
}
