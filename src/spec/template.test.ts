import { describe, expect, test } from "bun:test";
import { checkConfig, parseConfig } from "./checkconfig.ts";
import { specTemplate, templateText } from "./template.ts";

const HOST = { lastCapability: 40 };

describe("the config to begin with", () => {
  test.each([
    {},
    { unified: true },
    { rootless: { uid: 1000, gid: 100 } },
    { rootless: { uid: 1, gid: 1 }, unified: true },
  ])("%j is a good one", (options) => {
    const { config, warnings } = checkConfig(parseConfig(templateText(options)), HOST);
    expect(warnings).toEqual([]);
    expect(config).toMatchObject({
      ociVersion: "1.3.0",
      root: { path: "rootfs", readonly: true },
      process: { args: ["sh"], terminal: true, noNewPrivileges: true, cwd: "/" },
    });
    expect(config.process?.capabilities).toMatchObject({ inheritable: [], ambient: [] });
    expect(config.process?.rlimits).toEqual([{ type: "RLIMIT_NOFILE", soft: 1024, hard: 1024 }]);
    expect(config.mounts.map(({ destination }) => destination)).toEqual([
      "/proc",
      "/dev",
      "/dev/pts",
      "/dev/shm",
      "/dev/mqueue",
      "/sys",
      "/sys/fs/cgroup",
    ]);
    expect(config.linux.maskedPaths).toContain("/proc/kcore");
    expect(config.linux.readonlyPaths).toContain("/proc/sys");
  });

  const types = (options?: Parameters<typeof specTemplate>[0]) =>
    specTemplate(options).linux.namespaces.map(({ type }) => type);

  test("root has a network of its own and no device by right", () => {
    expect(types()).toEqual(["pid", "network", "ipc", "uts", "mount"]);
    expect(types({ unified: true })).toEqual(["pid", "network", "ipc", "uts", "mount", "cgroup"]);
    expect(specTemplate().linux).toMatchObject({ resources: { devices: [{ allow: false, access: "rwm" }] } });
    expect(specTemplate().linux).not.toHaveProperty("uidMappings");
  });

  test("others have the host's network, their own id as root's, and no limits", () => {
    const rootless = { uid: 1000, gid: 100 };
    expect(types({ rootless })).toEqual(["pid", "ipc", "uts", "mount", "user"]);
    const { linux, mounts } = specTemplate({ rootless });
    expect(linux).toMatchObject({
      uidMappings: [{ containerID: 0, hostID: 1000, size: 1 }],
      gidMappings: [{ containerID: 0, hostID: 100, size: 1 }],
    });
    expect(linux).not.toHaveProperty("resources");
    expect(mounts.find(({ destination }) => destination === "/sys")?.options).toContain("rbind");
    expect(mounts.flatMap(({ options = [] }) => options).filter((option) => /^[ug]id=/.test(option))).toEqual([]);
  });

  test("is written with tabs", () => {
    expect(templateText()).toStartWith('{\n\t"ociVersion": "1.3.0",\n\t"process": {\n\t\t"terminal": true,\n');
    expect(templateText()).toEndWith("\n\t}\n}");
  });

  test("one is not changed by what is done to another", () => {
    specTemplate().process.capabilities.bounding.push("CAP_SYS_ADMIN");
    specTemplate().linux.maskedPaths.length = 0;
    expect(specTemplate().process.capabilities.bounding).not.toContain("CAP_SYS_ADMIN");
    expect(specTemplate().linux.maskedPaths).toContain("/proc/kcore");
  });
});
