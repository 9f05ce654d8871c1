/** Networks whose removal was killed half way: made by the same steps, and finished by the next command, at nobody else's cost. */
import { afterEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { processSuffix } from "../../src/container/identity.ts";
import { startTime } from "../../src/container/process.ts";
import { watchLeaks } from "../leaks.ts";
import { BINARY, ROOT, STATE, vitrine } from "../vitrine.ts";

setDefaultTimeout(60_000);
watchLeaks();
afterEach(() => vitrine(["network", "prune", "--force"]));

const PATHS = { VITRINE_ROOT: ROOT, VITRINE_STATE: STATE };

/** In network and mount namespaces of its own; returns what it says. */
function elsewhere(script: string, env: Record<string, string> = PATHS): string[] {
  const { stdout, stderr } = spawnSync("unshare", ["--net", "--mount", "sh", "-c", `set -e\n${script}`], {
    env: { PATH: process.env.PATH, ROOT, STATE, vitrine: BINARY, ...env },
    encoding: "utf8",
  });
  expect(stderr).toBe("");
  return stdout.trim().split("\n");
}

/** As hideNetwork has it. */
const HIDE = `hide() {
  id=$($vitrine network inspect -f '{{.Id}}' $1)
  mv $ROOT/networks/$1 $ROOT/networks/.gone.$id
}
firewall() { nft list ruleset | grep -E "$1" || true; }`;

describe("another network has taken its place", () => {
  test("the default network, whose device is always called the same", () => {
    const [gateway, ...addresses] = elsewhere(
      `${HIDE}
      for d in /var/lib /run; do mount -t tmpfs tmpfs $d; done
      $vitrine network up bridge
      hide bridge
      $vitrine network up bridge
      $vitrine network create other > /dev/null
      $vitrine network inspect -f '{{(index .IPAM.Config 0).Gateway}}' bridge
      ip -4 -o addr show vitrine0 | awk '{ print $4 }'
      firewall 'elements.*10\\.91\\.' | wc -l
      ls -A /var/lib/vitrine/networks | grep gone || true`,
      { ROOT: "/var/lib/vitrine" },
    );
    expect(addresses).toEqual([`${gateway}/16`, expect.stringMatching(/^[1-9]$/)]);
  });

  test("its device: what is hidden goes, the device stays", () => {
    const said = elsewhere(`${HIDE}
      $vitrine network create --disable-dns --interface-name vt-test-br --subnet 10.94.1.0/24 old > /dev/null
      hide old
      mv $ROOT/networks/.gone.$id $ROOT/networks.kept
      $vitrine network create --disable-dns --interface-name vt-test-br --subnet 10.94.2.0/24 new > /dev/null
      $vitrine network up new
      mv $ROOT/networks.kept $ROOT/networks/.gone.$id
      $vitrine network create other > /dev/null
      ip -4 -o addr show vt-test-br | awk '{ print $4 }'
      firewall 'elements = . "vt-test-br" }' | wc -l
      ls -A $ROOT/networks | grep gone || true
      $vitrine network rm new other
      ip -o link show vt-test-br 2> /dev/null || echo gone; firewall .`);
    expect(said).toEqual(["10.94.2.1/24", "1", "new", "other", "gone"]);
  });

  test("its name: the firewall of the one that is there stays", () => {
    const said = elsewhere(`${HIDE}
      $vitrine network create --disable-dns --interface-name vt-test-b1 x > /dev/null
      hide x
      mv $ROOT/networks/.gone.$id $ROOT/networks.kept
      $vitrine network create --disable-dns --interface-name vt-test-b2 x > /dev/null
      $vitrine network up x
      ip link add vt-test-b1 type bridge
      mv $ROOT/networks.kept $ROOT/networks/.gone.$id
      $vitrine network create other > /dev/null
      firewall 'elements = . "vt-test-b[12]" }' | tr -d ' \\t'
      ip -o link | grep -o 'vt-test-b[12]'
      $vitrine network rm x other`);
    expect(said).toEqual(['elements={"vt-test-b2"}', "vt-test-b2", "x", "other"]);
  });
});

test("a container has just started on it, and the command was killed before it gave up: it is there again", () => {
  const said = elsewhere(`${HIDE}
    $vitrine network create --disable-dns --interface-name vt-test-br x > /dev/null
    $vitrine network up x
    mkdir -p $STATE/networks/x/leases
    ln -s '{"run":"${"c".repeat(64)}.${processSuffix(process.pid, startTime(process.pid) ?? "")}","names":["web"]}' \
      $STATE/networks/x/leases/10.92.0.2
    hide x
    $vitrine network create y > /dev/null
    $vitrine network rm y > /dev/null
    $vitrine network ls --format '{{.Name}}' -f type=custom
    ip -o link | grep -o vt-test-br
    $vitrine network rm x 2> /dev/null || echo refused
    rm $STATE/networks/x/leases/*
    $vitrine network rm x`);
  expect(said).toEqual(["x", "vt-test-br", "refused", "x"]);
});

test("what cannot be finished keeps only those from going on who make or remove networks, and is finished later", () => {
  const said = elsewhere(`${HIDE}
    $vitrine network create --disable-dns --interface-name vt-test-br x > /dev/null
    $vitrine network up x
    $vitrine network ls -q > /dev/null # the default network is there
    hide x
    nft=$(readlink -f $(command -v nft))
    mount --bind /dev/null $nft
    $vitrine ps -q
    $vitrine network ls --format '{{.Name}}' -f type=custom
    $vitrine network create --disable-dns y 2>&1 | head -n 1
    umount $nft
    $vitrine ps -q
    ip -o link | grep vt-test-br || echo gone
    firewall .`);
  expect(said).toEqual([expect.stringContaining("nft is not installed"), "gone"]);
});

describe("its bridge is gone already", () => {
  const GONE = `${HIDE}
    $vitrine network create --disable-dns --interface-name vt-test-b1 --subnet 10.94.1.0/24 --subnet fd00:94:1::/64 x > /dev/null
    $vitrine network create --disable-dns --interface-name vt-test-b2 --internal --subnet 10.94.2.0/24 --subnet fd00:94:2::/64 y > /dev/null`;

  test.each(["network create z", "network rm z", "network prune -f", "ps", "gc"])(
    "the firewall's table goes with the next command: %s",
    (next) => {
      const said = elsewhere(`${GONE}
        $vitrine network create z > /dev/null
        ${next === "network create z" ? "$vitrine network rm z > /dev/null" : ""}
        $vitrine network up x
        hide x
        ip link del vt-test-b1
        $vitrine ${next} > /dev/null
        firewall .; ls -A $ROOT/networks | grep gone || true
        echo end`);
      expect(said).toEqual(["end"]);
    },
  );

  test("the other's part of the firewall stays as it was", () => {
    const [before, after] = elsewhere(`${GONE}
      $vitrine network up y
      nft list ruleset | base64 -w 0; echo
      $vitrine network up x
      hide x
      ip link del vt-test-b1
      $vitrine ps > /dev/null
      nft list ruleset | base64 -w 0`);
    expect(atob(after ?? "")).toBe(atob(before ?? "-"));
  });

  test("of one that stays: rm takes the rest, too", () => {
    const said = elsewhere(`${GONE}
      $vitrine network up x
      ip link del vt-test-b1
      $vitrine network rm x y
      firewall .; echo end`);
    expect(said).toEqual(["x", "y", "end"]);
  });
});
