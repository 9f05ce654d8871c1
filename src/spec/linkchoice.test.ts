import { expect, test } from "bun:test";
import { linkChoices, readLink } from "./linkchoice.ts";
import { networkChoices, splitNetworks } from "./networkchoice.ts";
import { DEFAULT_RUN, type RunOptions } from "./options.ts";

const asked = (networks: string[], more: Partial<RunOptions> = {}): RunOptions => ({
  ...DEFAULT_RUN,
  networks,
  ...more,
});

test("what is said of one", () => {
  const text = "mode=vepa,ip=192.0.2.7/24,gateway=192.0.2.1,ip6=2001:db8::7/64,gateway=fe80::1,mac=02-00-00-00-00-0A";
  expect(readLink(`macvlan:eth0.5:${text},interface=lan0`)).toEqual({
    name: "macvlan:eth0.5",
    kind: "macvlan",
    host: "eth0.5",
    mode: "vepa",
    dhcp: false,
    v4: { address: "192.0.2.7", subnet: "192.0.2.0/24", gateway: "192.0.2.1" },
    v6: { address: "2001:db8::7", subnet: "2001:db8:0:0:0:0:0:0/64", gateway: "fe80::1" },
    mac: "02:00:00:00:00:0a",
    device: "lan0",
  });
  expect(readLink("macvlan:eth0:ip=dhcp")).toEqual({
    name: "macvlan:eth0",
    kind: "macvlan",
    host: "eth0",
    mode: "bridge",
    dhcp: true,
  });
});

test("networks of the host may end anywhere", () => {
  expect(readLink("macvlan:e:ip=10.1.2.3/12").v4?.subnet).toBe("10.0.0.0/12");
  expect(readLink("macvlan:e:ip=10.1.2.2/31,gateway=10.1.2.3").v4).toEqual({
    address: "10.1.2.2",
    subnet: "10.1.2.2/31",
    gateway: "10.1.2.3",
  });
  expect(readLink("macvlan:e:ip=10.1.2.2/32").v4?.subnet).toBe("10.1.2.2/32");
});

test("flags are of the only one; networks and devices are told apart", () => {
  expect(splitNetworks(["macvlan:eth0:mode=vepa", "front"], "bridge")).toEqual({
    network: "macvlan",
    networks: ["macvlan:eth0:mode=vepa", "front"],
  });
  const flags = { ip: "192.0.2.7/24", macAddress: "02:00:00:00:00:01" };
  expect(linkChoices(asked(["macvlan:eth0"], flags))[0]).toMatchObject({
    v4: { address: "192.0.2.7" },
    mac: "02:00:00:00:00:01",
  });
  expect(networkChoices(asked(["macvlan:eth0"], flags))).toEqual([]);
  expect(networkChoices(asked(["macvlan:eth0", "front"])).map(({ name }) => name)).toEqual(["front"]);
  expect(() => networkChoices(asked(["macvlan:eth0", "front"], flags))).toThrow("several networks");
  expect(() => networkChoices(asked(["macvlan:eth0", "macvlan:eth1"], flags))).toThrow("several devices");
  expect(() => networkChoices(asked(["macvlan:eth0"], { networkAliases: ["a"] }))).toThrow("--network-alias");
});

test.each([
  ["ip=192.0.2.7", "192.0.2.7/24"],
  ["ip=192.0.2.7/33", "/24"],
  ["ip=192.0.2.300/24", "not an address"],
  ["ip=192.0.2.0/24", "the first one"],
  ["ip=192.0.2.255/24", "the last one"],
  ["ip=127.0.0.2/8", "no address of a host"],
  ["ip=224.0.0.2/8", "no address of a host"],
  ["ip6=ff02::1/64", "no address of a host"],
  ["ip=192.0.2.7/24,ip=192.0.2.8/24", "several addresses of one family"],
  ["ip=192.0.2.7/24,ip=dhcp", "several addresses of one family"],
  ["ip=192.0.2.7/24,gateway=192.0.2.7", "its own address"],
  ["ip=192.0.2.7/24,gateway=192.0.3.1", "not in 192.0.2.0/24"],
  ["ip=192.0.2.7/24,gateway=2001:db8::1", "no address of that family"],
  ["gateway=192.0.2.1", "no address of that family"],
  ["ip=192.0.2.7/24,gateway=x", "not an address"],
  ["ip=192.0.2.7/24,gateway=192.0.2.1,gateway=192.0.2.2", "several gateways"],
  ["alias=web", '"alias" is not known'],
])("%s is refused", (text, why) => {
  const told = () => readLink(`macvlan:eth0:${text}`);
  expect(() => told()).toThrow();
  try {
    told();
  } catch (error) {
    const { message, hint = "" } = error as Error & { hint?: string };
    expect(`${message} ${hint}`).toContain(why);
  }
});
