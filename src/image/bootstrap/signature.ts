/** Signatures of Release files, checked by gpgv(1) of the host: where an archive keyring is installed, it is too (docs/decisions/0017). */
import { spawn } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { invalid, VitrineError } from "../../errors.ts";

/** SHA-2, by their numbers in RFC 9580. */
const GOOD_HASHES = ["8", "9", "10", "11"];

export interface Signed {
  /** A file: InRelease, or Release. */
  readonly file: string;
  /** Of Release: the file Release.gpg. */
  readonly signature?: string | undefined;
  /** Binary key files; at least one. */
  readonly keyrings: readonly string[];
  /** For errors: its URL. */
  readonly what: string;
}

/**
 * @returns the text that is signed, and nothing that stands around it
 * @throws INVALID if no key of the keyrings signed it, or a signature is bad
 */
export async function verifiedText({ file, signature, keyrings, what }: Signed): Promise<Uint8Array> {
  for (const keyring of keyrings)
    if (!existsSync(keyring))
      throw new VitrineError("NOT_FOUND", `keyring "${keyring}": no such file`, {
        hint: "it comes with the package debian-archive-keyring or ubuntu-keyring; or name another with --keyring FILE",
      });
  const args = ["--status-fd", "2", ...keyrings.flatMap((keyring) => ["--keyring", keyring])];
  const input = signature === undefined ? ["--output", "-", file] : [signature, file];
  const { stdout, stderr } = await gpgv([...args, ...input]);
  const refusal = judge(stderr);
  if (refusal !== undefined)
    throw new VitrineError("INVALID", `${what}: ${refusal}`, {
      hint: `keys were looked for in ${keyrings.join(", ")}; --keyring FILE names another`,
    });
  return signature === undefined ? stdout : readFileSync(file);
}

/** Why it is refused, from gpgv's status lines (doc/DETAILS of GnuPG); undefined: it is good. */
export function judge(status: string): string | undefined {
  const lines = status
    .split("\n")
    .filter((line) => line.startsWith("[GNUPG:] "))
    .map((line) => line.slice(9).split(" "));
  const of = (word: string) => lines.filter(([first]) => first === word);
  if (of("BADSIG").length > 0) return "its signature is bad: it was changed on the way";
  const valid = of("VALIDSIG").filter((fields) => GOOD_HASHES.includes(fields[8] ?? ""));
  if (of("GOODSIG").length > 0 && valid.length > 0) return undefined;
  if (of("GOODSIG").length > 0) return "its signature is made with a hash that can be forged";
  if (of("REVKEYSIG").length > 0) return "the key that signed it was revoked";
  if (of("EXPKEYSIG").length > 0) return "the key that signed it has expired";
  if (of("EXPSIG").length > 0) return "its signature has expired";
  const unknown = of("NO_PUBKEY").map(([, key]) => key);
  if (unknown.length > 0) return `signed by ${unknown.join(", ")} only, which no keyring holds`;
  return `not signed${lines.length > 0 ? "" : ` (gpgv: ${status.trim().split("\n").at(-1) ?? ""})`}`;
}

function gpgv(args: readonly string[]): Promise<{ stdout: Uint8Array; stderr: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn("gpgv", args, { stdio: ["ignore", "pipe", "pipe"], env: { ...process.env, LC_ALL: "C" } });
    const stdout: Uint8Array[] = [];
    let stderr = "";
    child.stdout.on("data", (chunk: Uint8Array) => stdout.push(chunk));
    child.stderr.on("data", (chunk: Uint8Array) => {
      stderr += chunk;
    });
    child.on("error", (error: NodeJS.ErrnoException) =>
      reject(
        error.code === "ENOENT"
          ? new VitrineError("NOT_FOUND", "gpgv is not installed: signatures of the mirror cannot be checked", {
              hint: "install it (package gpgv on Debian, gnupg2 on Fedora, gnupg on Arch)",
            })
          : error,
      ),
    );
    child.on("close", () => resolve({ stdout: Buffer.concat(stdout), stderr }));
  });
}

/** gpgv reads binary keyrings only: "-----BEGIN PGP PUBLIC KEY BLOCK-----" is turned into one. */
export function withoutArmor(key: Uint8Array, what: string): Uint8Array {
  const text = Buffer.from(key).toString("latin1");
  if (!text.trimStart().startsWith("-----BEGIN")) return key;
  const blocks = [
    ...text.matchAll(/-----BEGIN PGP PUBLIC KEY BLOCK-----\r?\n([\s\S]*?)-----END PGP PUBLIC KEY BLOCK-----/g),
  ];
  if (blocks.length === 0) throw invalid(`keyring "${what}": holds no public key`);
  return Buffer.concat(
    blocks.map(([, body = ""]) => {
      const lines = body.split(/\r?\n/);
      const blank = lines.findIndex((line) => line.trim() === "");
      // The line that begins with "=" is a sum of the text.
      const data = lines.slice(blank + 1).filter((line) => !line.startsWith("="));
      return Buffer.from(data.join(""), "base64");
    }),
  );
}
