/** Images that the host's own package managers make, from repositories of the test's own. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmdirSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { run } from "../debianmirror.ts";
import { watchLeaks } from "../leaks.ts";
import { directory, has, ROOT, vitrine } from "../vitrine.ts";

watchLeaks();

const PARTIAL = `${ROOT}/cache/packages/partial`;

/** A package's tree: a static shell. */
function shellTree(root: string): void {
  for (const path of ["bin", "etc", "tmp", "var/log"]) mkdirSync(`${root}/${path}`, { recursive: true });
  copyFileSync("/bin/busybox", `${root}/bin/busybox`);
  for (const applet of ["sh", "cat", "id", "echo"]) symlinkSync("busybox", `${root}/bin/${applet}`);
}

/** Of a package. */
const SCRIPT = 'echo "made by $(id -u)" >/etc/made';

function absent(what: string, programs: readonly string[]): boolean {
  const missing = programs.filter((program) => !has(program));
  if (missing.length > 0) console.log(`${what}: skipped, not installed: ${missing.join(", ")}`);
  return missing.length > 0;
}

test("a manager that is not on the host is named", () => {
  const missing = [
    ["fedora/40", "dnf"],
    ["arch/latest", "pacman"],
  ].filter(([, program]) => !has(program ?? "")); // prettier-ignore
  for (const [what = "", program] of missing) {
    const { status, stderr } = vitrine(["image", "bootstrap", what]);
    expect(stderr).toContain(`${program}, which is not on this host`);
    expect(status).toBe(125);
  }
  const { stderr } = vitrine(["image", "bootstrap", "--variant", "standard", "fedora/40"]);
  expect(stderr).toContain("--variant standard: fedora has no such variants");
});

describe.skipIf(absent("images by dnf", ["dnf", "rpmbuild", "createrepo_c", "busybox"]))("dnf", () => {
  const place = directory("rpms");

  beforeAll(() => {
    shellTree(`${place}/tree`);
    const spec = `Name: base
Version: 1
Release: 1
Summary: a shell
License: none
Provides: /bin/sh
AutoReqProv: no
%description
A shell.
%install
cp -a ${place}/tree/. %{buildroot}/
%files
/bin
/etc
%dir %attr(1777,root,root) /tmp
/var
%package -n greet
Summary: a greeting
Requires(post): base
AutoReqProv: no
%description -n greet
A greeting.
%files -n greet
%post -n greet
${SCRIPT}
`;
    writeFileSync(`${place}/base.spec`, spec);
    const macros = ["_topdir", "_rpmdir"].flatMap((name) => ["--define", `${name} ${place}/repository`]);
    run("rpmbuild", [
      "-bb",
      "--quiet",
      ...macros,
      "--define",
      "_build_id_links none",
      "--define",
      "__os_install_post %{nil}",
      `${place}/base.spec`,
    ]); // prettier-ignore
    run("createrepo_c", ["--quiet", `${place}/repository`]);
  });

  const bootstrap = (...flags: string[]) =>
    vitrine([
      "image",
      "bootstrap",
      "--mirror",
      `file://${place}/repository`,
      "--include",
      "greet",
      ...flags,
      "fedora/1",
    ]);

  test("an image of what a repository has, by its own scripts", () => {
    const { status, stderr, stdout } = bootstrap("--no-check-signature", "-q");
    expect(stderr).toBe("");
    expect(status).toBe(0);
    expect(stdout).toMatch(/^sha256:[0-9a-f]{64}\n$/);
    const said = vitrine([
      "run",
      "--rm",
      "localhost/fedora:1",
      "/bin/sh",
      "-c",
      "cat /etc/made; echo /var/log/* /vitrine*",
    ]);
    expect(said.stdout).toBe("made by 0\n/var/log/* /vitrine*\n");
    expect(existsSync("/vitrine-root")).toBe(false);
    expect(readdirSync(PARTIAL)).toEqual([]);
  }, 120_000);

  test("what is not signed is refused where keys are given; nothing stays", () => {
    writeFileSync(`${place}/key`, "no key");
    const { status, stderr } = bootstrap("--keyring", `${place}/key`);
    expect(status).toBe(125);
    expect(stderr).toContain("installing the packages ended with");
    expect(readdirSync(PARTIAL)).toEqual([]);
    expect(bootstrap("--keyring", "/none").stderr).toContain("none of /none is there");
  }, 120_000);
});

describe.skipIf(absent("images by pacman", ["pacman", "repo-add", "bsdtar", "busybox", "zstd"]))("pacman", () => {
  // Where the container has a directory of its own; and a file system of its own, as a mirror on this host may have.
  const place = mkdtempSync("/tmp/vitrine-arch-");
  beforeAll(() => void run("mount", ["-t", "tmpfs", "arch", place]));
  afterAll(() => {
    run("umount", [place]);
    rmdirSync(place);
  });

  const build = (name: string, lines: readonly string[], tree: string) => {
    const machine = run("uname", ["-m"]).trim();
    const info = [
      `pkgname = ${name}`,
      "pkgver = 1-1",
      "pkgdesc = x",
      "builddate = 1000",
      "packager = t",
      "size = 1",
      `arch = ${machine}`,
    ];
    writeFileSync(`${tree}/.PKGINFO`, [...info, ...lines, ""].join("\n"));
    const file = `${place}/own/${name}-1-1-${machine}.pkg.tar.zst`;
    const members = readdirSync(tree).sort();
    run("tar", ["-C", tree, "--owner=0", "--group=0", "--zstd", "-cf", file, ...members]);
    run("repo-add", ["-q", `${place}/own/own.db.tar.gz`, file]);
  };

  test("an image of what a repository has, by its own scripts", () => {
    mkdirSync(`${place}/own`);
    shellTree(`${place}/base`);
    build("base", ["provides = sh"], `${place}/base`);
    mkdirSync(`${place}/greet/etc`, { recursive: true });
    writeFileSync(`${place}/greet/etc/greet`, "hello\n");
    writeFileSync(`${place}/greet/.INSTALL`, `post_install() {\n${SCRIPT}\n}\n`);
    build("greet", ["depend = base"], `${place}/greet`);
    const flags = ["--mirror", `file://${place}/own`, "--include", "greet", "--no-check-signature"];
    const { status, stderr } = vitrine(["image", "bootstrap", ...flags, "arch/latest"]);
    expect(stderr).toBe("");
    expect(status).toBe(0);
    const said = vitrine(["run", "--rm", "localhost/arch:latest", "/bin/sh", "-c", "cat /etc/greet /etc/made"]);
    expect(said.stdout).toBe("hello\nmade by 0\n");
    expect(readdirSync(PARTIAL)).toEqual([]);
  }, 120_000);
});
