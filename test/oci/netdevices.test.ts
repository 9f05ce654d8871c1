/** linux.netDevices: devices of the host, moved into a container. runc has this since 1.4; older ones pass over it. */
import { afterAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { type Change, script } from "./bundle.ts";
import { Place, RUNTIMES } from "./runtime.ts";

setDefaultTimeout(60_000);

const ours = RUNTIMES.find(({ name }) => name === "vitrine");
if (!ours) throw new Error("dist/vitrine-runtime is not there: make build");
const MARK = `v${process.pid % 100_000}`;
let made = 0;

const ip = (...args: string[]) => spawnSync("ip", args, { encoding: "utf8" });
const possible = ip("link", "add", `${MARK}x`, "type", "veth", "peer", "name", `${MARK}y`).status === 0;
afterAll(() => {
  for (let i = 0; i <= made; i++) ip("link", "del", i === 0 ? `${MARK}x` : `${MARK}-${i}`);
});

/** A new device, with an address of each family, and one that is not permanent. */
function device(): string {
  const name = `${MARK}-${++made}`;
  const all = [
    ["link", "add", name, "address", "02:00:00:00:00:07", "mtu", "1400", "type", "veth", "peer", "name", `${name}p`],
    ["link", "set", `${name}p`, "up"],
    ["link", "set", name, "up"],
    ["address", "add", "192.0.2.7/24", "dev", name],
    ["address", "add", "192.0.2.9/24", "valid_lft", "1000", "preferred_lft", "1000", "dev", name],
    ["address", "add", "2001:db8::7/64", "nodad", "dev", name],
  ];
  for (const args of all) if (ip(...args).status !== 0) throw new Error(`ip ${args.join(" ")}: ${ip(...args).stderr}`);
  return name;
}

const moving =
  (devices: Record<string, { name?: string }>): Change =>
  ({ linux }) => {
    linux.netDevices = devices;
  };

const onHost = (name: string) => ip("link", "show", name).status === 0;

describe.skipIf(!possible)(`netDevices${possible ? "" : " (no veth can be made here)"}`, () => {
  const place = new Place(ours);

  test("moved, renamed, up, with its MTU, hardware address and permanent addresses", () => {
    const name = device();
    const shown = place.says("ip addr show dev eth7; ip -o link | wc -l", moving({ [name]: { name: "eth7" } }));
    expect(shown).toMatch(/eth7@\S+: <\S*\bUP\b.*mtu 1400/);
    for (const word of ["02:00:00:00:00:07", "192.0.2.7/24", "2001:db8::7/64", "global eth7"])
      expect(shown).toContain(word);
    expect(shown).not.toContain("192.0.2.9");
    expect(shown.split("\n").at(-1)).toBe("2");
  });

  test("several, one with a name of the kernel's making, one as it is called, in a user namespace", () => {
    const [one, other] = [device(), device()];
    const users: Change = ({ linux }) => {
      linux.namespaces.push({ type: "user" });
      linux.uidMappings = [{ containerID: 0, hostID: 200_000, size: 65_536 }];
      linux.gidMappings = linux.uidMappings;
    };
    const shown = place.says("ip -o -4 addr", moving({ [one]: { name: "net%d" }, [other]: {} }), users);
    expect(shown).toMatch(/net0 +inet 192\.0\.2\.7\/24/);
    expect(shown).toMatch(new RegExp(`${other} +inet 192\\.0\\.2\\.7/24`));
  });

  test("one that is not there, and a name that is taken in there: refused, and no device is moved", () => {
    const name = device();
    const refused = (devices: Record<string, { name?: string }>) => place.run(script("true"), moving(devices)).stderr;
    expect(refused({ nothere7: {} })).toContain("$.linux.netDevices.nothere7: there is no such network device");
    expect(refused({ [name]: { name: "lo" } })).toMatch(/link lo.*: EEXIST/);
    expect(onHost(name)).toBe(true);
    expect(ip("address", "show", name).stdout).toContain("192.0.2.9/24");
  });
});
