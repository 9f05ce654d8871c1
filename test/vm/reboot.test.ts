/**
 * A host that loses its power while containers run, and starts again: systemd, as the machine's first process, has the unit that
 * `vitrine system boot-unit` wrote start what is to run.
 */
import { beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { directory, until } from "../vitrine.ts";
import { CGROUPS, missing, start } from "./boot.ts";
import { disk } from "./disk.ts";

setDefaultTimeout(1_200_000);

const lacking = missing() ?? (existsSync("/lib/systemd/systemd") ? undefined : "systemd");
if (lacking) console.log(`(skip) a reboot in a virtual machine: it needs ${lacking}`);

/** Of each machine. */
const SECONDS = 500;

/** They go on until they are ended. */
const CONTAINERS = {
  always: "--restart always",
  "always-stopped": "--restart always",
  unless: "--restart unless-stopped",
  "unless-stopped": "--restart unless-stopped",
  "on-failure": "--restart on-failure",
  no: "",
  paused: "--restart always --memory 64m",
  healthy: "--restart always --health-cmd 'test -e /begun' --health-interval 1s -v data:/data",
  removed: "--rm",
};

/** How they are afterwards, as far as the clock does not matter; and how often each had begun. */
const AFTERWARDS = [
  "always running",
  "always-stopped running",
  "asks running",
  "healthy running (healthy)",
  "never created Created",
  "no exited Exited (137)",
  "on-failure exited Exited (137)",
  "paused running",
  "unless running",
  "unless-stopped exited Exited (0)",
  "waiting running",
  "web running",
];
const BEGUN =
  "always 2|always-stopped 2|asks 2|healthy 2|never 0|no 1|on-failure 1|paused 2|unless 2|unless-stopped 1|waiting|web 2";
const STARTED = AFTERWARDS.filter((line) => line.includes(" running")).map((line) => line.split(" ")[0]);

const ENVIRONMENT = "export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root";

/** `waiting` ends at once until it has seen the second boot; `last` is made so late that perhaps nothing of it is on the disk. */
const BEFORE = `
${ENVIRONMENT}
${CGROUPS}; ip link set lo up
make() { n=$1; shift; vitrine run -d --network none --name $n "$@" --rootfs /srv/root sh -c 'echo begun; echo >> /begun; trap exit TERM; while :; do sleep 0.2; done' >/dev/null & }
${Object.entries(CONTAINERS)
  .map(([name, flags]) => `make ${name} ${flags}`)
  .join("\n")}
vitrine run -d --network none --name waiting --restart always -v /root:/host:ro --rootfs /srv/root sh -c 'echo >> /begun; [ -e /host/again ] && exec sleep 1000; exit 3' >/dev/null &
vitrine network create --subnet 10.92.50.0/24 --interface-name front front >/dev/null
vitrine run -d --name asks --restart always --network front --rootfs /srv/root sh -c 'echo >> /begun; exec sleep 1000' >/dev/null
vitrine run -d --name web --restart always --network front --ip 10.92.50.7 -p 8080:80 --rootfs /srv/root sh -c 'echo >> /begun; echo served > /index.html; exec httpd -f -p 80 -h /' >/dev/null
vitrine create --network none --name never --restart always --rootfs /srv/root sleep 1000 >/dev/null &
wait
vitrine stop -t 5 always-stopped unless-stopped >/dev/null; vitrine pause paused >/dev/null
vitrine exec healthy sh -c 'echo kept > /data/file'; vitrine exec -d always sleep 1000
busybox mkdir -p /etc/systemd/system; vitrine system boot-unit --write; systemctl enable vitrine.service
busybox sync
vitrine ps -a --format '{{.Names}} {{.State}}' | sort
vitrine run -d --network none --name last --restart always --rootfs /srv/root sleep 1000 >/dev/null
echo "=== cut"
while :; do vitrine update --cpu-shares 5 always; vitrine run --rm --network none --rootfs /srv/root true; done >/dev/null
`;

const REPORT = `
${ENVIRONMENT}
cd /var/lib/vitrine
id() { readlink names/$1; }
echo; echo "--- unit"; systemctl show -p ActiveState -p Result vitrine.service | sort
for i in $(busybox seq 30); do
  vitrine ps -a --format '{{.Names}} {{.State}} {{.Status}}' | sort > /tmp/all
  grep -q '^healthy .*(healthy)' /tmp/all && grep -q '^waiting running' /tmp/all && break; sleep 0.3
done
echo "--- all"; sed 's/ Up [^(]*$//; s/Up [^(]*(/(/; s/) .* ago/)/' /tmp/all
echo "--- begun"; for n in $(ls -1 names); do echo "$n $(cat containers/$(id $n)/upper/begun 2>/dev/null | wc -l)"; done
for n in ${STARTED.join(" ")} $(sed -n 's/^\\(last\\) running.*/\\1/p' /tmp/all); do id $n; done | sort > /tmp/ids
echo "--- groups"; ls /sys/fs/cgroup | sed -n 's/^vitrine-\\([0-9a-f]*\\)$/\\1/p' | sort | busybox diff /tmp/ids - && echo those
runs() { ls -1 /run/vitrine/runs | sed 's/[.].*//' | sort; }
for i in $(busybox seq 30); do runs > /tmp/runs; busybox cmp -s /tmp/runs /tmp/ids && break; sleep 0.3; done # commands of others have theirs
echo "--- runs"; busybox diff /tmp/ids /tmp/runs | sed 1,3d; busybox cmp -s /tmp/runs /tmp/ids && echo those
echo "--- directories"; for n in $(ls -1 names); do id $n; done | sort > /tmp/named; ls -1 containers | sort | busybox diff /tmp/named - && echo those
# A record that is being replaced, by the health check for one, has a second file for that long.
for i in $(busybox seq 30); do find containers -mindepth 2 -maxdepth 2 | sed 's,.*/,,' | sort -u > /tmp/files; grep -q '[.][0-9]*$' /tmp/files || break; sleep 0.3; done
echo "--- files"; cat /tmp/files
echo "--- kept"; vitrine exec healthy cat /data/file; vitrine logs always
vitrine inspect -f '{{.RestartCount}} {{.State.Paused}} {{.HostConfig.Memory}}' paused; cat /sys/fs/cgroup/vitrine-$(id paused)/memory.max
vitrine top always | grep -c 'sleep 1000'
network() { ls -1 /run/vitrine/networks/front/leases; ip -o link show master front 2>/dev/null | grep -c veth; nft list ruleset | grep -o '8080 : .*[0-9]'; }
echo "--- network"; network; ip -4 -br addr show front | sed 's/  */ /g'
printf 'GET /index.html HTTP/1.0\\r\\n\\r\\n' | busybox nc -w 9 127.0.0.1 8080 | tail -n 1
vitrine exec asks nslookup web | grep -c 10.92.50.7
echo "--- large"; vitrine network create -o gso_max_size=100000 no 2>&1 | head -n 1
vitrine network create --internal --subnet 10.92.51.0/24 --interface-name cellar cellar >/dev/null
vitrine run -d --rm --name sink --network cellar --rootfs /srv/root nc -ll -p 5000 -e /bin/md5sum >/dev/null
ip -d link show master cellar | grep -o ' gso_max_size [0-9]*'
until vitrine exec sink netstat -lnt | grep -q 5000; do sleep 0.1; done
vitrine run --rm --network cellar --rootfs /srv/root sh -c 'dd if=/dev/zero bs=1M count=8 2>/dev/null | nc 10.92.51.2 5000'
vitrine rm -f sink >/dev/null; vitrine network rm cellar
echo "--- halted"; systemctl stop vitrine.service; vitrine ps -q; ls /sys/fs/cgroup | grep vitrine-; network
echo "--- again"; systemctl start vitrine.service; vitrine ps --format '{{.Names}}' | sort
echo "--- end"
busybox poweroff -f
`;

const AFTER = `
${ENVIRONMENT}
ip link set lo up; echo > /root/again
cat > /run/report <<'X'
${REPORT}X
busybox mkdir -p /run/systemd/system
cat > /run/systemd/system/report.service <<'X'
[Unit]
After=vitrine.service
[Service]
Type=oneshot
ExecStart=/bin/sh /run/report
StandardOutput=tty
StandardError=tty
TTYPath=/dev/ttyS0
X
cat > /run/systemd/system/default.target <<'X'
[Unit]
Wants=multi-user.target report.service
X
exec /lib/systemd/systemd --log-target=null --show-status=no
`;

describe.skipIf(lacking !== undefined)("after the power was cut", () => {
  let before = "";
  let after = "";
  beforeAll(async () => {
    const began = performance.now();
    const root = `${directory("reboot")}/disk`;
    expect(spawnSync("cp", ["--sparse=always", disk(), root]).status).toBe(0);
    const first = start(BEFORE, SECONDS, { root, bare: true });
    const reading = (async () => {
      for await (const part of first.stdout) before += new TextDecoder().decode(part).replaceAll("\r", "");
    })();
    try {
      await until(() => before.includes("=== cut"), "the containers", SECONDS * 1000);
      await Bun.sleep(1000); // in the middle of the next commands
    } finally {
      first.kill("SIGKILL");
      await first.exited;
    }
    await reading;
    const second = start(AFTER, SECONDS, { root, bare: true });
    after = (await new Response(second.stdout).text()).replaceAll("\r", "");
    console.log(`in the virtual machine: a reboot, ${Math.round((performance.now() - began) / 1000)} s`);
  });

  /** Lines of a part of what the second boot said, without the container that may be there or not. */
  function part(name: string): string[] {
    const [, text] = new RegExp(`^--- ${name}\n([^]*?)^--- `, "m").exec(after) ?? [];
    if (text === undefined) throw new Error(`nothing is said of ${name}:\n${before}\n${after}`);
    return text.split("\n").filter((line) => line !== "" && !/^last\b/.test(line));
  }

  test("it was cut while containers ran, one was paused and one waited for its restart", () => {
    for (const line of ["always running", "always-stopped exited", "paused paused", "removed running"])
      expect(before).toContain(`${line}\n`);
    expect(before).toMatch(/^waiting (running|restarting)$/m);
    expect(before).not.toContain("vitrine:");
  });
  test("what is to run does, and nothing else", () => {
    expect(part("unit")).toEqual(["ActiveState=active", "Result=success"]);
    expect(part("all")).toEqual(AFTERWARDS);
    const begun = part("begun").map((line) => line.replace(/^waiting \d+$/, "waiting"));
    expect(begun.join("|")).toBe(BEGUN);
  });
  test("nothing is left of what was before", () => {
    for (const what of ["groups", "runs", "directories"])
      expect({ what, is: part(what) }).toEqual({ what, is: ["those"] });
    expect(part("files")).toEqual([
      "config.json",
      "container.json",
      "hostname",
      "hosts",
      "lock",
      "log",
      "resolv.conf",
      "stopped",
      "upper",
      "work",
    ]);
  });
  test("data, logs and limits are as they were; of pauses and execs nothing is", () => {
    expect(part("kept")).toEqual(["kept", "begun", "begun", "0 false 67108864", "67108864", "0"]);
  });
  test("networks are up, with addresses, ports and names as they were, and nothing besides", () => {
    expect(part("network")).toEqual([
      ...["10.92.50.2", "10.92.50.7", "2", "8080 : 10.92.50.7 . 80"],
      ...["front UP 10.92.50.1/24 ", "served", "1"],
    ]);
  });
  test("an internal network takes what this kernel can, and what it cannot is refused by name", () => {
    expect(part("large")).toEqual([
      "vitrine: --opt gso_max_size=100000: this kernel has 65536 for IPv4 at most",
      " gso_max_size 196608",
      "96995b58d4cbf6aaa9041b4f00c7f6ae  -",
      "cellar",
    ]);
  });
  test("the unit ends them, and starts them again", () => {
    expect(part("halted")).toEqual(["0"]); // devices on the bridge
    expect(part("again")).toEqual(STARTED.map(String));
  });
});
