/** An image that the host's own dnf or pacman makes: in a container whose root is the host's, never changed, with a layer above. */
import { accessSync, constants, mkdirSync, realpathSync } from "node:fs";
import { carryOut } from "../../container/plans.ts";
import { invalid } from "../../errors.ts";
import { blobFile } from "../../image/blobs.ts";
import { usualName } from "../../image/bootstrap/distribution.ts";
import { Cache } from "../../image/bootstrap/download.ts";
import { MANAGERS, managerScript } from "../../image/bootstrap/hostmanager.ts";
import { INSTALLED } from "../../image/bootstrap/manager.ts";
import { createImage } from "../../image/build.ts";
import { packDirectory } from "../../image/layer/pack.ts";
import { unpackLayer } from "../../image/layer/unpack.ts";
import { takeLease } from "../../image/leases.ts";
import { packagesCache } from "../../image/paths.ts";
import { parseRegistryName, wholeName } from "../../image/registryname.ts";
import { currentArch } from "../../linux/arch.ts";
import { planRemoval } from "../../plan/removal.ts";
import { DEFAULT_PATH, DEFAULT_RUN } from "../../spec/options.ts";
import type { Engine } from "../context.ts";
import { collect } from "../gc.ts";
import { runInside } from "../inside.ts";
import type { BootstrapOptions, Bootstrapped, Listeners } from "./bootstrap.ts";
import { configureError } from "./bootstrap.ts";
import { newLayer, TarFile } from "./tarfile.ts";

/** Variables by which a host says how it reaches the network. */
const PROXIES = ["http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "no_proxy", "NO_PROXY"];

/** The script for the container; undefined if the distribution is not made by a manager of the host. */
export function scriptOf(options: BootstrapOptions): string | undefined {
  const manager = Object.hasOwn(MANAGERS, options.distribution) ? MANAGERS[options.distribution] : undefined;
  if (!manager) return undefined;
  if (options.variant !== "minbase")
    throw invalid(
      `--variant ${options.variant}: ${options.distribution} has no such variants`,
      "name packages with --include",
    );
  if (options.architecture !== undefined || options.components.length > 0)
    throw invalid(`--arch and --components: not for ${options.distribution}`);
  return managerScript(manager, { ...options, keyring: options.keyring }, findProgram);
}

export async function bootstrapByManager(
  engine: Engine,
  options: BootstrapOptions,
  script: string,
  { onStep, onLine, signal }: Listeners,
): Promise<Bootstrapped> {
  const { paths, stage } = engine;
  const chosen = options.names.length > 0 ? options.names : [usualName(options.distribution, options.suite)];
  const names = chosen.map((text) => wholeName(parseRegistryName(text)));
  await collect(engine);
  const cache = new Cache(packagesCache(paths));
  const remove = (directory: string) => carryOut(stage.path, paths, planRemoval(directory, undefined));
  for (const directory of cache.abandoned()) remove(directory);
  const lease = takeLease(paths);
  const scratch = cache.partial("install");
  const tar = new TarFile(cache.partial("installed"));
  mkdirSync(scratch, { mode: 0o700 });
  try {
    onStep?.(`${options.distribution} ${options.suite}: installing`);
    const { status, lines } = await runInside(engine, {
      options: {
        ...DEFAULT_RUN,
        rm: true,
        rootfs: "/",
        network: "host",
        command: ["/bin/sh", "-c", script],
        env: [
          `PATH=${DEFAULT_PATH}`,
          "HOME=/root",
          "LC_ALL=C.UTF-8",
          ...PROXIES.flatMap((name) => (process.env[name] === undefined ? [] : [`${name}=${process.env[name]}`])),
        ],
        // The scripts of packages have no business there; nor in what the engine keeps.
        mounts: [...["/tmp", "/root", "/home"].filter(isThere), paths.root].map((path) => `type=tmpfs,target=${path}`),
        volumes: [...resolverFile(), ...ofThisHost(options)].map((path) => `${path}:${path}:ro`),
        pidsLimit: "-1",
      },
      scratch,
      signal,
      onLine,
    });
    if (status !== 0) {
      const where = "the package manager and the packages' scripts, in a container";
      throw configureError(status, lines, "installing the packages", where);
    }
    onStep?.("packing it");
    const packed = packDirectory(engine, `${scratch}/upper${INSTALLED}`, { overlay: true, signal });
    const { diffId, chainId } = await unpackLayer(engine, { blob: tar.passing(packed), signal });
    const layer = newLayer(diffId, chainId, tar.size);
    await lease.hold([diffId, chainId]);
    await tar.keep(blobFile(paths, layer.diffId));
    const created = new Date().toISOString();
    const image = createImage(engine, {
      layers: [layer],
      names,
      config: {
        os: "linux",
        architecture: currentArch() === "x64" ? "amd64" : "arm64",
        created,
        config: {
          Env: [`PATH=${DEFAULT_PATH}`],
          Cmd: ["bash"],
          Labels: {
            "org.opencontainers.image.title": options.distribution,
            "org.opencontainers.image.version": options.suite,
          },
        },
        history: [
          { created, createdBy: `vitrine image bootstrap ${options.distribution}/${options.suite}`, emptyLayer: false },
        ],
      },
    });
    return { image, names, packages: 0 };
  } finally {
    await tar.drop();
    remove(scratch);
    lease.release();
    cache.release();
  }
}

/**
 * Mirrors and keys that are files here: they may lie in another file system than the root's, or in a directory that is covered. Of
 * a mirror's path what comes before the first variable, which only the manager knows.
 */
function ofThisHost({ mirrors, keyring }: BootstrapOptions): string[] {
  const local = mirrors.flatMap((url) => (url.startsWith("file:///") ? [pathOf(url)] : []));
  const known = local.map((path) => path.replace(/\/[^/]*\$.*/, "").replace(/(?<=.)\/+$/, ""));
  // A path with a colon cannot be said as a volume: it is seen where the root has it.
  return [...known, ...(keyring === undefined ? [] : [keyring])].filter(
    (path) => /^\/[^:]+$/.test(path) && isThere(path),
  );
}

function pathOf(url: string): string {
  try {
    return decodeURIComponent(url.slice("file://".length));
  } catch {
    return ""; // the manager tells that it is none
  }
}

/** Where it is a link to a file that a service keeps elsewhere, that file is not in the root's own file system. */
function resolverFile(): string[] {
  try {
    const real = realpathSync("/etc/resolv.conf");
    return real.startsWith("/run/") ? [real] : [];
  } catch {
    return []; // the host has none
  }
}

function isThere(path: string): boolean {
  try {
    accessSync(path);
    return true;
  } catch {
    return false;
  }
}

function findProgram(name: string): string | undefined {
  return DEFAULT_PATH.split(":")
    .map((directory) => `${directory}/${name}`)
    .find((path) => {
      try {
        accessSync(path, constants.X_OK);
        return true;
      } catch {
        return false;
      }
    });
}
