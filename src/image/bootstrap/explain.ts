/** What a bootstrap does, told: as sentences, as data, and as a script of on-board tools that makes the same root file system. */
import { quote } from "../../plan/op.ts";
import { unpackLines } from "./configure.ts";
import type { Prepared } from "./debian.ts";
import { sourcesList, urlOf } from "./debian.ts";
import { fileName } from "./merge.ts";
import type { Package } from "./packages.ts";

/** @param form "text", "json" or "script" */
export function explainBootstrap(prepared: Prepared, form: string): string {
  if (form === "json") return `${JSON.stringify(asData(prepared), undefined, 2)}\n`;
  return form === "script" ? asScript(prepared) : asText(prepared);
}

function asData({ request, offers, order, foundation, links, made }: Prepared) {
  return {
    distribution: request.distribution.name,
    suite: request.suite,
    architecture: request.architecture,
    variant: request.variant,
    made: new Date(made * 1000).toISOString(),
    archives: offers.map(({ archive, release, indexes }) => ({
      url: archive.url,
      suite: archive.suite,
      components: archive.components,
      keyrings: archive.keyrings,
      date: new Date(release.date * 1000).toISOString(),
      indexes,
    })),
    links: Object.fromEntries(links),
    packages: order.map((of) => ({
      name: of.name,
      version: of.version,
      architecture: of.architecture,
      url: urlOf(of),
      sha256: of.sha256,
      size: of.size,
      base: foundation.has(of),
    })),
  };
}

function asText({ request, offers, order, foundation, links }: Prepared): string {
  const { distribution, suite, variant } = request;
  const lines: string[] = [`Image of ${distribution.name} ${suite}, ${variant}`, "", "Mirror"];
  const step = (() => {
    let n = 0;
    return (what: string, why: string) => lines.push(`${String(++n).padStart(3)}. ${what}`, `     ${why}`);
  })();
  for (const { archive, indexes } of offers) {
    const base = `${archive.url}/dists/${archive.suite}`;
    step(`get ${base}/InRelease`, "What the suite offers, with the sums of its indexes.");
    step(
      `gpgv --keyring ${archive.keyrings.map(keyringName).join(" --keyring ")}`,
      "Only who has a key of the archive can have written it.",
    );
    for (const { url, sha256 } of indexes)
      step(`get ${url}`, `Its SHA-256 has to be ${sha256}, as the signed file says.`);
  }
  const size = order.reduce((sum, of) => sum + of.size, 0);
  lines.push("", "Packages");
  step(
    `choose ${order.length} packages`,
    `Those of the variant ${variant}, and all that they depend on: ${order
      .map(({ name }) => name)
      .sort()
      .join(" ")}`,
  );
  step(
    `get ${order.length} files of together ${(size / 1e6).toFixed(1)} MB`,
    "Several at a time, into the cache; each has the SHA-256 that the index says.",
  );
  lines.push("", "Layer of the packages");
  if (links.size > 0)
    step(
      `symlink ${[...links.keys()].join(" ")}`,
      "In the root, to the directories of that name in usr: both names are the same place.",
    );
  step(
    `unpack ${order.length} packages`,
    "Into one layer, by the stage, in a root of its own: no program of a package runs on this host.",
  );
  step("write var/lib/dpkg", "dpkg's own notes: it goes on as if it had unpacked them itself.");
  lines.push("", "Layer of the configuration");
  step(
    "run sh in a container",
    "On the layer, with a writable one above it; no network, ids of its own, nothing of the host.",
  );
  step(
    `preinst scripts, dpkg --configure: ${foundation.size} packages`,
    "The base system first, because the scripts of all others may use it.",
  );
  if (order.length > foundation.size)
    step(
      `dpkg --unpack, dpkg --configure: ${order.length - foundation.size} packages`,
      "dpkg itself unpacks those that have to do something before.",
    );
  step("remove logs, caches and what is random", "The same mirror gives the same image again.");
  step("write config and manifest", "The image is visible when all of it is on disk.");
  return `${lines.join("\n")}\n`;
}

function keyringName(keyring: string): string {
  return keyring.includes("-----BEGIN") ? "(the key in sources.list)" : keyring;
}

function asScript(prepared: Prepared): string {
  const { request, offers, order, foundation, links, made } = prepared;
  const base = order.filter((of) => foundation.has(of));
  const rest = order.filter((of) => !foundation.has(of));
  const files = (packages: readonly Package[]) => packages.map((of) => ` \\\n  ${quote(fileName(of))}`).join("");
  const lines = [
    "#!/bin/bash",
    `# ${request.distribution.name} ${request.suite}, ${request.variant}: a root file system in the directory $1. Needs root, curl, gpgv, dpkg-deb, unshare.`,
    "set -euo pipefail",
    // biome-ignore lint/suspicious/noTemplateCurlyInString: bash's own
    'ROOT=$(realpath -m "${1:?a directory to make}")',
    "WORK=$(mktemp -d)",
    "trap 'rm -rf \"$WORK\"' EXIT",
    'mkdir -p "$ROOT" "$WORK/debs"',
    'get() { curl -fsSL "$1" -o "$WORK/$2"; }',
    `checked() { get "$1" "$2"; echo "$3  $WORK/$2" | sha256sum --check --quiet; }`,
    "",
    "# What the mirror offers",
  ];
  for (const [i, { archive, indexes }] of offers.entries()) {
    lines.push(`get ${quote(`${archive.url}/dists/${archive.suite}/InRelease`)} release${i}`);
    for (const [k, keyring] of archive.keyrings.entries())
      if (keyring.includes("-----BEGIN"))
        lines.push(`gpg --dearmor >"$WORK/key${i}-${k}" <<'KEY'`, keyring.trim(), "KEY");
    const keyrings = archive.keyrings.map((keyring, k) =>
      keyring.includes("-----BEGIN") ? `"$WORK/key${i}-${k}"` : quote(keyring),
    );
    lines.push(
      `gpgv --quiet ${keyrings.map((k) => `--keyring ${k}`).join(" ")} --output "$WORK/signed${i}" "$WORK/release${i}"`,
    );
    for (const { url, sha256 } of indexes) {
      lines.push(`grep -q ${sha256} "$WORK/signed${i}"`, `checked ${quote(url)} index ${sha256}`);
    }
  }
  lines.push("", "# The packages");
  for (const of of order) lines.push(`checked ${quote(urlOf(of))} debs/${quote(fileName(of))} ${of.sha256}`);
  lines.push("", "# The base system, so that its programs are there");
  if (links.size > 0) {
    const names = [...links.keys()].join(" ");
    lines.push(`for name in ${names}; do mkdir -p "$ROOT/usr/$name"; ln -s "usr/$name" "$ROOT/$name"; done`);
  }
  lines.push(
    `for deb in${files(base)}`,
    'do dpkg-deb --fsys-tarfile "$WORK/debs/$deb" | tar -x -C "$ROOT" --keep-directory-symlink; done',
    'mkdir -p "$ROOT/var/lib/dpkg/info" "$ROOT/var/lib/dpkg/updates" "$ROOT/proc" "$ROOT/tmp/debs"',
    ': >>"$ROOT/var/lib/dpkg/status"',
    'mv "$WORK/debs/"*.deb "$ROOT/tmp/debs/"',
    "",
    "# Its own dpkg, in namespaces of its own and without a network",
    `export DEBIAN_FRONTEND=noninteractive DEBCONF_NONINTERACTIVE_SEEN=true LC_ALL=C.UTF-8 SOURCE_DATE_EPOCH=${made}`,
    `export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin`,
    `unshare --mount --pid --fork --uts --ipc --net sh -c 'mount -t proc proc "$0/proc" && exec chroot "$0" /bin/sh -e' "$ROOT" <<'INSIDE'`,
    "cd /tmp/debs",
    "printf '#!/bin/sh\\nexit 101\\n' >/usr/sbin/policy-rc.d && chmod 755 /usr/sbin/policy-rc.d",
    `dpkg --force-depends --unpack${files(base)}`,
    "dpkg --force-depends --configure --pending",
  );
  lines.push(...unpackLines(rest, foundation, prepared.selection, (of) => quote(fileName(of))));
  if (rest.length > 0) lines.push("dpkg --configure --pending");
  lines.push("rm -rf /tmp/debs /usr/sbin/policy-rc.d /var/cache/ldconfig/aux-cache /var/log/dpkg.log", "INSIDE");
  if (order.some(({ name }) => name === "apt"))
    lines.push(
      `mkdir -p "$ROOT/etc/apt"`,
      `cat >"$ROOT/etc/apt/sources.list" <<'LIST'`,
      sourcesList(offers).trim(),
      "LIST",
    );
  return `${lines.join("\n")}\n`;
}
