import { invalid, VitrineError } from "../errors.ts";

export type Reference =
  | { readonly kind: "rootfs"; readonly directory: string }
  | { readonly kind: "host"; readonly programs: readonly string[] };

export function parseReference(text: string): Reference {
  const at = text.indexOf(":");
  const scheme = at < 0 ? "" : text.slice(0, at);
  const rest = text.slice(at + 1);
  if (scheme === "rootfs") {
    if (!rest) throw invalid(`image "${text}": no directory`, "write rootfs:/path/to/dir");
    return { kind: "rootfs", directory: rest };
  }
  if (scheme === "host") {
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
  }
  throw new VitrineError("UNSUPPORTED", `image "${text}": images from registries are not there yet`, {
    hint: "use rootfs:DIR, or host:bash,ls,… for an image of this host's own programs",
  });
}
