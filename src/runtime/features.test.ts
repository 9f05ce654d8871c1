import { afterAll, describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { HYBRID } from "../../test/facts.ts";
import { VitrineError } from "../errors.ts";
import { planCreate } from "../plan/create.ts";
import type { CreateInput } from "../plan/created.ts";
import { mountOptions } from "../plan/mountoptions.ts";
import { checkConfig } from "../spec/checkconfig.ts";
import { OCI_VERSION } from "../spec/ociversion.ts";
import { encode } from "../stage/encode.ts";
import { features } from "./features.ts";
import { resctrlGroups } from "./resctrl.ts";

const HOST = { lastCapability: 40 };

test("versions are those that a config may have", () => {
  const { ociVersionMin, ociVersionMax } = features();
  expect([ociVersionMin, ociVersionMax]).toEqual(["1.0.0", OCI_VERSION]);
  for (const ociVersion of [ociVersionMin, ociVersionMax])
    expect(checkConfig({ ociVersion, root: { path: "r" } }, HOST).warnings).toEqual([]);
});

test("names are those of the tables", () => {
  const { hooks, mountOptions: options, linux } = features();
  expect(hooks).toEqual(["prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"]);
  expect(linux.namespaces).toEqual(["cgroup", "ipc", "mount", "network", "pid", "time", "user", "uts"]);
  expect(linux.capabilities.length).toBe(41);
  expect(linux.seccomp.archs).toContain("SCMP_ARCH_AARCH64");
  for (const word of ["bind", "ro", "rw", "nosuid", "rslave", "unbindable", "rro"]) expect(options).toContain(word);
  const lists = [options, linux.namespaces, linux.seccomp.actions, linux.seccomp.archs, linux.seccomp.knownFlags];
  for (const list of lists) expect(list).toEqual([...new Set(list)].sort());
});

test("no mount option that is named goes to the file system", () => {
  for (const option of features().mountOptions) expect(mountOptions([option]).parameters).toEqual([]);
  expect(mountOptions(["size=5"]).parameters).toEqual([["size", "5"]]);
});

const RESCTRL = mkdtempSync(`${tmpdir()}/vitrine-resctrl-`);
mkdirSync(`${RESCTRL}/quiet`);
afterAll(() => rmSync(RESCTRL, { recursive: true }));

/** For each property a config that has it; everything else is as in the plain one. */
const PROPERTIES: Readonly<Record<string, { process?: object; linux?: object; mount?: object }>> = {
  apparmorProfile: { process: { apparmorProfile: "strict" } },
  selinuxLabel: { process: { selinuxLabel: "system_u:system_r:container_t:s0" } },
  intelRdt: { linux: { intelRdt: { closID: "quiet" } } },
  memoryPolicy: { linux: { memoryPolicy: { mode: "MPOL_LOCAL" } } },
  mountMappings: {
    mount: {
      uidMappings: [{ containerID: 0, hostID: 5000, size: 1 }],
      gidMappings: [{ containerID: 0, hostID: 5000, size: 1 }],
    },
  },
  netDevices: { linux: { netDevices: { eth7: {} } } },
  mountLabel: { linux: { mountLabel: "system_u:object_r:container_file_t:s0" }, mount: { type: "tmpfs", options: [] } },
};

/** The plan as bytes; undefined if the planners refuse. */
function planned({ process = {}, linux = {}, mount = {} }: { process?: object; linux?: object; mount?: object }) {
  const { config } = checkConfig(
    {
      ociVersion: OCI_VERSION,
      root: { path: "/srv/root" },
      process: { args: ["true"], cwd: "/", ...process },
      mounts: [{ destination: "/data", source: "/srv/data", options: ["bind"], ...mount }],
      linux: { namespaces: [{ type: "mount" }, { type: "pid" }, { type: "network" }], cgroupsPath: "/heron", ...linux },
    },
    HOST,
  );
  if (!config.process) throw new Error("there is no process");
  const input: CreateInput = {
    id: "heron",
    config: { ...config, process: config.process },
    directory: "/run/x/heron",
    root: { kind: "directory", path: config.root.path },
    place: { directory: "/run/x/@/heron.1.1", program: "/usr/bin/vitrine", arguments: [], env: [] },
    stage: { path: "/var/lib/vitrine/stage/5ta9e", size: 13784 },
    bundle: { directory: "/srv" },
    created: "2026-01-01T00:00:00Z",
    owner: "root",
    preserved: 0,
    sharedKeyring: false,
    inodes: {},
    init: false,
    raisedLimits: [],
    ...(config.linux.netDevices ? { netDevices: [{ name: "eth7", index: 7, inside: "eth7", addresses: [] }] } : {}),
    ...(config.linux.intelRdt ? { resctrl: resctrlGroups(config.linux.intelRdt, "heron", RESCTRL) } : {}),
  };
  try {
    return Buffer.from(encode(planCreate(input, HYBRID), "x64").file).toString("latin1");
  } catch (error) {
    if (error instanceof VitrineError) return undefined;
    throw error;
  }
}

describe("what is said to be carried out is in the plan", () => {
  test("a plan is made", () => expect(planned({})).toBe(planned({}) ?? "none"));
  test.each(Object.keys(PROPERTIES))("%s", (property) => {
    const plain = property === "mountLabel" ? planned({ mount: { type: "tmpfs", options: [] } }) : planned({});
    const plan = planned(PROPERTIES[property] ?? {});
    expect(plan).toBeDefined();
    expect(plan === plain).toBe(false);
  });
});

/** The specification's schema, where it lies beside this repository. */
const SCHEMA = `${import.meta.dir}/../../../shared/specs/runtime-spec/features-linux.json`;

test.skipIf(!existsSync(SCHEMA))("every part that the schema knows has the schema's type", () => {
  interface Schema {
    type?: string;
    properties?: Record<string, Schema>;
  }
  const matches = (value: unknown, schema: Schema, path: string): void => {
    if (value === undefined) return;
    const type = Array.isArray(value) ? "array" : typeof value;
    expect(`${path}: ${type}`).toBe(`${path}: ${schema.type ?? type}`);
    for (const [name, inner] of Object.entries(schema.properties ?? {}))
      matches((value as Record<string, unknown>)[name], inner, `${path}.${name}`);
  };
  const { linux } = JSON.parse(readFileSync(SCHEMA, "utf8"));
  matches(features().linux, linux, "linux");
  for (const name of ["namespaces", "capabilities", "cgroup", "seccomp", "netDevices"])
    expect(Object.keys(linux.properties)).toContain(name);
});
