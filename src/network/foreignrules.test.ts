import { describe, expect, test } from "bun:test";
import { type Chain, foreignDrops, noPassScript, passScript, readChains, rulesAbout } from "./foreignrules.ts";

const chain = (family: string, table: string, name: string, more: Partial<Chain> = {}): Chain => ({
  family,
  table,
  name,
  ...more,
});
const forward = (policy: string) => ({ hook: "forward", policy });

describe("what drops", () => {
  test.each<[string, Chain[], ReturnType<typeof foreignDrops>]>([
    [
      "docker",
      [chain("ip", "filter", "FORWARD", forward("drop")), chain("ip", "filter", "DOCKER-USER")],
      [{ family: "ip", table: "filter", userChain: "DOCKER-USER" }],
    ],
    [
      "a policy of the administrator's",
      [chain("inet", "fw", "fwd", forward("drop"))],
      [{ family: "inet", table: "fw" }],
    ],
    [
      "firewalld, whose last rule rejects",
      [chain("inet", "firewalld", "filter_FORWARD", forward("accept"))],
      [{ family: "inet", table: "firewalld" }],
    ],
    ["nothing: it accepts", [chain("ip", "filter", "FORWARD", forward("accept"))], []],
    ["nothing: another hook", [chain("ip", "filter", "INPUT", { hook: "input", policy: "drop" })], []],
    [
      "ours, and those of other roots",
      [
        chain("inet", "vitrine", "forward", forward("drop")),
        chain("inet", "vitrine-0badcafe", "forward", forward("drop")),
      ],
      [],
    ],
  ])("%s", (_, chains, drops) => expect(foreignDrops(chains, "vitrine")).toEqual(drops));
});

test("as nft prints it", () => {
  const json = `{"nftables": [{"metainfo": {"version": "1.0.6"}}, {"chain": {"family": "ip", "table": "filter", "name": "FORWARD", "handle": 1, "type": "filter", "hook": "forward", "prio": 0, "policy": "drop"}}]}`;
  expect(readChains(json)).toEqual([expect.objectContaining({ name: "FORWARD", policy: "drop" })]);
  expect(readChains('{"nftables": []}')).toEqual([]);
});

test("rules about a device, and no other", () => {
  const rule = (handle: number, device: string) =>
    `{"rule": {"handle": ${handle}, "expr": [{"match": {"op": "==", "left": {"meta": {"key": "iifname"}}, "right": "${device}"}}, {"accept": null}]}}`;
  const json = `{"nftables": [{"metainfo": {}}, ${rule(4, "vt-1")}, ${rule(5, "vt-11")}, ${rule(6, "vt-1")}]}`;
  expect(rulesAbout(json, "vt-1")).toEqual([4, 6]);
  expect(rulesAbout(json, "vt-2")).toEqual([]);
});

test("scripts", () => {
  const docker = { family: "ip", table: "filter", userChain: "DOCKER-USER" };
  expect(passScript(docker, "vitrine0").split("\n").length).toBe(3);
  expect(noPassScript(docker, [4, 6])).toBe(
    "delete rule ip filter DOCKER-USER handle 4\ndelete rule ip filter DOCKER-USER handle 6\n",
  );
});
