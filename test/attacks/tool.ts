/** What the tests of attacks share: static programs that attack, root file systems with them, a canary, and rows with their controls. */
import { afterAll, afterEach, beforeEach, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { copyFileSync, existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { difference, snapshot } from "../leaks.ts";
import { directory, makeBusybox, type Result, vitrine } from "../vitrine.ts";

/** A file of the host that nothing may reach. */
export const CANARY = `${directory("outside")}/canary`;
export const OUTSIDE = directory("outside");
const UNTOUCHED = "untouched\n";
writeFileSync(CANARY, UNTOUCHED);

/** Around every test: the canary is as it was, and lies alone in its directory. */
export function watchCanary(): void {
  let before = "";
  const look = () => `${readFileSync(CANARY, "latin1")}${statSync(CANARY).mode} ${readdirSync(OUTSIDE).join(" ")}`;
  beforeEach(() => {
    before = look();
  });
  afterEach(() => {
    const after = look();
    restoreCanary();
    if (after !== before) throw new Error(`the canary was touched: ${after}`);
  });
}

/** Once around a whole file: for files whose runs are made before the tests begin. */
export function watchFile(): void {
  const before = snapshot();
  afterAll(async () => {
    let left = difference(before, snapshot());
    for (let i = 0; left.length > 0 && i < 150; i++) {
      await Bun.sleep(20);
      left = difference(before, snapshot());
    }
    if (left.length > 0) throw new Error(`left behind:\n  ${left.join("\n  ")}`);
  });
}

/** For controls, which do touch it. */
export function restoreCanary(): void {
  for (const name of readdirSync(OUTSIDE)) rmSync(`${OUTSIDE}/${name}`, { recursive: true, force: true });
  writeFileSync(CANARY, UNTOUCHED);
}

/** The program that `c/NAME.c` makes: static, at a path of the host. */
export function compile(name: string): string {
  const program = `${directory("programs")}/${name}`;
  if (!existsSync(program)) {
    const source = `${import.meta.dir}/c/${name}.c`;
    const cc = spawnSync("cc", ["-static", "-no-pie", "-O1", "-Wall", "-Wextra", "-Werror", source, "-o", program]);
    if (cc.status !== 0) throw new Error(cc.stderr.toString());
  }
  return program;
}

/** A root file system of busybox and that program, which is /attack-NAME there. */
export function rootWith(...names: string[]): string {
  const root = directory(`root-${names.join("-")}`);
  if (!existsSync(`${root}/bin`)) {
    makeBusybox(root);
    for (const name of names) copyFileSync(compile(name), `${root}/attack-${name}`);
  }
  return root;
}

export function runIn(root: string, flags: readonly string[], command: readonly string[]): Result {
  return vitrine(["run", "--rm", ...flags, "--rootfs", root, ...command]);
}

export type Answers = Readonly<Record<string, string>>;

export function answers(stdout: string): Answers {
  return Object.fromEntries(
    stdout
      .trim()
      .split("\n")
      .map((line) => [line.slice(0, line.indexOf(" ")), line.slice(line.indexOf(" ") + 1)]),
  );
}

/** Attacks of one program in a container with these flags. */
export function attack(program: string, flags: readonly string[], names: readonly string[] = []): Answers {
  const { stdout, stderr, status } = runIn(rootWith(program), flags, [`/attack-${program}`, ...names]);
  if (status !== 0) throw new Error(`${program} ${flags.join(" ")}: status ${status}\n${stdout}${stderr}`);
  return answers(stdout);
}

/** Attacks of one program on the host itself: only those that cannot harm it. */
export function attackHost(program: string, names: readonly string[], before: readonly string[] = []): Answers {
  const [first = "", ...rest] = [...before, compile(program), ...names];
  const child = spawnSync(first, rest, { timeout: 20_000 });
  if (child.status !== 0) throw new Error(`${first} ${rest.join(" ")}: ${child.status}\n${child.stderr}`);
  return answers(child.stdout.toString());
}

/** An attack that this kernel or machine does not know: said, never passed. */
export function untestable(what: string, why: string): void {
  test.skip(`${what}: not testable on this kernel: ${why}`, () => {});
}

export interface Row {
  readonly refused: readonly string[];
  /** What it answers with the defence off; "ok" if not said. */
  readonly control?: readonly string[];
  /** Answers of the control that show only that this kernel does not have what is attacked. */
  readonly lacking?: readonly string[];
}

/** One test an attack: refused with the defence, not without. Both runs have been made. */
export function rows(what: string, all: Readonly<Record<string, Row>>, defended: Answers, control: Answers): void {
  for (const [name, row] of Object.entries(all)) {
    const without = control[name] ?? "did not run";
    if (row.lacking?.includes(without)) {
      test(`${what}: ${name} is refused`, () => expect(row.refused).toContain(defended[name] ?? "did not run"));
      untestable(`${what}: ${name}, the control`, `without the defence it answers ${without}`);
      continue;
    }
    test(`${what}: ${name} is refused; the control: without the defence it is not`, () => {
      expect(row.refused).toContain(defended[name] ?? "did not run");
      expect(row.control ?? ["ok"]).toContain(without);
    });
  }
}
