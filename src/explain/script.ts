/**
 * A plan as a bash script of on-board tools, that runs by itself. Each line is the `sh` of an op; there are two processes
 * and the plan's order in each of them, but for pivot_root, which has to be last where tools come from files.
 */
import type { KeptNetwork, LeasedFiles } from "../plan/network/kept.ts";
import { quote } from "../plan/op.ts";
import type { Instruction, Op, Plan } from "../plan/plan.ts";
import { EXPORTED, LIBRARY } from "./bash.ts";
import { DHCP } from "./bashdhcp.ts";
import { NETWORK, NETWORK_EXPORTED } from "./bashnetwork.ts";
import { insideScript } from "./inside.ts";
import { asFunction, flat, heading, linesOf, nameOf, oneLine, programOf, undoOf } from "./lines.ts";
import { type Step, steps } from "./outline.ts";
import { outsideScript } from "./outside.ts";

/** @param before what makes the image, once before the first run @param networks those that it is on */
export function explainScript(
  plan: Plan,
  before: readonly Op[],
  networks: readonly KeptNetwork[] = [],
  leased?: LeasedFiles,
): string {
  const all = steps(plan);
  const byDhcp = all.some(({ op }) => op.where === "dhcp");
  const onNetworks = all.some(({ op }) => op.script !== undefined && op.script !== "");
  const numbers = new Map<Instruction, number>();
  for (const { number, op } of all) for (const i of flat(op.does)) numbers.set(i, number);
  const isInside = ({ op }: Step) => op.where === "container";
  const container = all.filter(isInside);
  const inside = insideScript(container, numbers);
  const outside = outsideScript(
    all.filter((step) => !isInside(step)),
    container.map(({ op }) => op),
    inside,
    numbers,
  );
  return [
    "#!/bin/bash",
    ...[...notes(plan, all), ...networkNotes(all, networks)].map((note) => `# ${note}`),
    "",
    LIBRARY,
    ...(onNetworks ? [NETWORK] : []),
    ...(byDhcp ? [DHCP, ...leasedFiles(leased)] : []),
    heading("In the container's process"),
    ...inside.functions,
    `export -f ${EXPORTED}${onNetworks ? ` ${NETWORK_EXPORTED}` : ""} ${inside.names.join(" ")}`,
    "",
    heading("Outside, when the container's process asks for it"),
    ...inside.asked,
    ...image(before),
    ...setUp(networks),
    heading("Outside"),
    ...outside,
    "",
  ].join("\n");
}

function notes(plan: Plan, all: readonly Step[]): string[] {
  const result = [
    "The same container with on-board tools: keep this in a file, and run it as root.",
    "Steps bear the numbers of `vitrine run --explain`; what no on-board tool can do is marked. Besides:",
    "- Until its last command the container's process is bash; vitrine's can be neither traced nor read by anybody.",
    "- No session keyring of its own: that takes keyctl of keyutils, which is not on board.",
  ];
  const has = (found: (op: Op) => boolean) => all.some(({ op }) => found(op));
  const inside = ({ where }: Op) => where === "container";
  if (has((op) => op.sh?.startsWith("chown ") ?? false))
    result.push("- What the container writes has, on disk, the ids of its range; vitrine's start at 0.");
  if (has((op) => op.object === "/dev/pts/ptmx"))
    result.push("- -t: no terminal of its own. The program has the caller's streams as they are, and no /dev/console.");
  if (has((op) => inside(op) && op.does.some((i) => i.do === "clone")))
    result.push("- --init: nobody reaps. The program itself is the first process.");
  if (has((op) => op.where === "caller"))
    result.push("- No monitor: the container ends with this script, which waits for it, and nobody attaches to it.");
  if (has((op) => op.call === "seccomp")) result.push("- No seccomp filter: every system call is allowed.");
  if (plan.restart)
    result.push(
      "- With the host's user namespace a hostile image could overwrite the host's /bin/sh: only for what you trust.",
    );
  const program = all.findLast(({ op }) => inside(op) && op.call === "execve");
  const names = ((program && programOf(program.op)?.env) ?? []).map(nameOf);
  const odd = names.filter((name) => !/^[A-Za-z_]\w*$/.test(name) || ["PPID", "OPTIND"].includes(name));
  if (odd.length > 0) result.push(oneLine(`- sh does not hand on these variables as they are: ${odd.join(" ")}`));
  return result;
}

/** An image of the host's own files, unless it is there. */
function image(before: readonly Op[]): string[] {
  const target = before.at(-1)?.object;
  if (target === undefined) return [];
  const lines = before.flatMap((op) => {
    const what = oneLine(`${op.call} ${op.object}`);
    return ["", `# ${what}`, `STEP=${quote(`before the first step, ${what}`)}`, ...linesOf(op), ...undoOf(op)];
  });
  return [
    heading("Once, before the first run"),
    ...asFunction("image", lines),
    "",
    `[ -e ${quote(target)} ] || image`,
    "",
  ];
}

function leasedFiles(leased: LeasedFiles | undefined): string[] {
  const { hosts = "", resolv = "", names = "", servers = "", search = "", options = "" } = leased ?? {};
  const values = { HOSTS: hosts, RESOLV: resolv, NAMES: names, SERVERS: servers, SEARCH: search, OPTIONS: options };
  return [...Object.entries(values).map(([name, value]) => `LEASED_${name}=${value === "" ? "''" : quote(value)}`), ""];
}

/** Networks of the engine, where they are down: after a boot. They stay up. */
function setUp(networks: readonly KeptNetwork[]): string[] {
  if (networks.length === 0) return [];
  const functions = networks.flatMap(({ name, ops }, i) => {
    const lines = ops.flatMap((op) => {
      const what = oneLine(`${op.call} ${op.object}`);
      const step = `STEP=${quote(oneLine(`before the first step, network ${name}, ${what}`))}`;
      return ["", `# ${what}`, oneLine(`# ${op.why}`), step, ...linesOf(op)];
    });
    return [...asFunction(`network_${i + 1}`, [...lines, "", "exec {LOCK}>&-"]), ""];
  });
  return [
    heading("Once after each boot"),
    ...functions,
    ...networks.map(({ device, table }, i) => `is_up ${device} ${table} || network_${i + 1}`),
    "",
  ];
}

function networkNotes(all: readonly Step[], networks: readonly KeptNetwork[]): string[] {
  const has = (found: (op: Op) => boolean) => all.some(({ op }) => found(op));
  const result: string[] = [];
  if (networks.length > 0)
    result.push(
      "- Addresses are those of the moment when this was printed; who has one meanwhile keeps it, and this script stops. `network rm` and `down` do not see it.",
    );
  if (networks.some(({ names }) => names))
    result.push(
      "- No resolver: names are answered while other containers, of the engine's own, are on such a network, and else not at all. On networks made with --disable-dns the host's name servers are asked.",
    );
  if (has(({ call, undo }) => call === "sendto" && undo?.sh?.includes("conntrack") === true))
    result.push("- Connections that led to a published port end with the container only where conntrack(8) is.");
  if (has(({ script }) => script?.startsWith("lend ") === true))
    result.push(
      "- After kill -9 of this script the host's device is still in the namespace that $WORK/netns names: nsenter --net=… ip link set … netns 1.",
    );
  return result;
}
