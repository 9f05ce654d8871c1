/** Where an image comes from, as users write it. Names of registries are read in src/image/registryname.ts. */
import { invalid } from "../errors.ts";
import { parseRegistryName, type RegistryReference } from "./registryname.ts";

export type Reference =
  | RegistryReference
  | { readonly kind: "rootfs"; readonly directory: string }
  | { readonly kind: "host"; readonly programs: readonly string[] }
  /** A directory in OCI image layout, and which image in it if there are several: a tag, a digest or a name. */
  | { readonly kind: "oci"; readonly directory: string; readonly reference?: string }
  /** What `docker save` writes, and which image in it if there are several. */
  | { readonly kind: "docker-archive"; readonly file: string; readonly reference?: string }
  /** Made from a distribution's mirror. */
  | { readonly kind: "bootstrap"; readonly distribution: string; readonly suite: string };

/** @throws INVALID with what is wrong and how to write it */
export function parseReference(text: string): Reference {
  const at = text.indexOf(":");
  const scheme = at < 0 ? "" : text.slice(0, at);
  const read = Object.hasOwn(SCHEMES, scheme) ? SCHEMES[scheme] : undefined;
  return read ? read(text.slice(at + 1), text) : parseRegistryName(text);
}

const SCHEMES: Readonly<Record<string, (rest: string, text: string) => Reference>> = {
  rootfs(directory, text) {
    if (!directory) throw invalid(`image "${text}": no directory`, "write rootfs:/path/to/dir");
    return { kind: "rootfs", directory };
  },
  host(rest, text) {
    const programs = [
      ...new Set(
        rest
          .split(",")
          .map((p) => p.trim())
          .filter(Boolean),
      ),
    ];
    if (programs.length === 0) throw invalid(`image "${text}": names no program`, "write host:bash,ls,ps");
    return { kind: "host", programs };
  },
  oci(rest, text) {
    const { path, reference } = pathAndReference(rest);
    if (!path) throw invalid(`image "${text}": no directory`, "write oci:/path/to/layout, or oci:/path/to/layout:TAG");
    return { kind: "oci", directory: path, ...(reference !== undefined && { reference }) };
  },
  "docker-archive"(rest, text) {
    const { path, reference } = pathAndReference(rest);
    if (!path)
      throw invalid(`image "${text}": no file`, "write docker-archive:/path/to.tar, or docker-archive:FILE:NAME:TAG");
    return { kind: "docker-archive", file: path, ...(reference !== undefined && { reference }) };
  },
  bootstrap(rest, text) {
    const [, distribution, suite] = /^([a-z0-9][a-z0-9.+-]*)\/([A-Za-z0-9][A-Za-z0-9._+-]*)$/.exec(rest) ?? [];
    if (distribution === undefined || suite === undefined)
      throw invalid(`image "${text}": not of the form DISTRIBUTION/SUITE`, "write bootstrap:debian/bookworm");
    return { kind: "bootstrap", distribution, suite };
  },
};

/** As skopeo and podman read it: the path ends at the first colon, so a path that has one cannot be written. */
function pathAndReference(rest: string): { path: string; reference: string | undefined } {
  const at = rest.indexOf(":");
  if (at < 0) return { path: rest, reference: undefined };
  return { path: rest.slice(0, at), reference: rest.slice(at + 1) || undefined };
}
