/** One .deb, opened: the tar archives in it, decompressed. See deb(5). */
import { type ChildProcess, spawn } from "node:child_process";
import { open } from "node:fs/promises";
import { PassThrough, pipeline, Readable, type Transform } from "node:stream";
import { createGunzip, createZstdDecompress } from "node:zlib";
import { invalid, VitrineError } from "../../errors.ts";
import { arMembers, type Member } from "./ar.ts";

/** So much of a package is decompressed ahead of the one that is unpacked. */
const AHEAD = 8 * 2 ** 20;

export interface Deb {
  /** control.tar, and behind it data.tar. */
  readonly bytes: AsyncIterable<Uint8Array>;
  /** Ends what is at work; nothing is read any more. */
  close(): void;
}

/**
 * Begins to decompress.
 * @param what is named in errors: "apt_2.6.1_amd64.deb"
 * @throws INVALID for what is no package
 */
export function openDeb(path: string, what: string): Deb {
  const members = arMembers(path, what);
  if (members[0]?.name !== "debian-binary") throw invalid(`${what}: does not begin with debian-binary`);
  const [control, data] = ["control.tar", "data.tar"].map((prefix) => {
    const member = members.find(({ name }) => name === prefix || name.startsWith(`${prefix}.`));
    if (!member) throw invalid(`${what}: has no ${prefix}, so it is no Debian package`);
    return { ...member, compression: member.name.slice(prefix.length + 1) };
  }) as [Packed, Packed];
  // Where both are packed with xz, which most are, one process does both: its output is that of the one and the other.
  if (control.compression === "xz" && data.compression === "xz") return decompress(path, [control, data], "xz", what);
  const work = [control, data].map((member) => decompress(path, [member], member.compression, what));
  return {
    bytes: (async function* () {
      for (const { bytes } of work) yield* bytes;
    })(),
    close() {
      for (const { close } of work) close();
    },
  };
}

interface Packed extends Member {
  /** "xz"; "" for none. */
  readonly compression: string;
}

function decompress(path: string, members: readonly Member[], compression: string, what: string): Deb {
  const name = members.map((member) => member.name).join(" and ");
  const from = Readable.from(rangesOf(path, members), { objectMode: false, highWaterMark: 2 ** 18 });
  const told = (error: Error) =>
    error instanceof VitrineError ? error : invalid(`${what}: ${name} is damaged: ${error.message}`);
  if (compression === "xz" || compression === "lzma" || compression === "bz2")
    return byProgram(compression === "bz2" ? "bzip2" : "xz", from, told, `${what}: ${name}`);
  const decoder = DECODERS[compression]?.();
  if (!decoder) throw new VitrineError("UNSUPPORTED", `${what}: ${name}: packed in a way that is not known`);
  return fromStreams([from, decoder], told, () => from.destroy());
}

const DECODERS: Readonly<Record<string, () => Transform>> = {
  "": () => new PassThrough(),
  gz: createGunzip,
  zst: createZstdDecompress,
};

async function* rangesOf(path: string, members: readonly Member[]): AsyncGenerator<Uint8Array> {
  const file = await open(path);
  try {
    for (const { offset, size } of members)
      for (let done = 0; done < size; ) {
        const { bytesRead, buffer } = await file.read(
          Buffer.alloc(Math.min(size - done, 2 ** 18)),
          0,
          undefined,
          offset + done,
        );
        if (bytesRead === 0) throw new Error("it ends too early");
        yield buffer.subarray(0, bytesRead);
        done += bytesRead;
      }
  } finally {
    await file.close();
  }
}

/** No decoder in JavaScript keeps up: docs/decisions/0017-base-images.md has the figures. */
function byProgram(program: string, from: Readable, told: (error: Error) => Error, what: string): Deb {
  const child = spawn(program, ["-dc"], {
    stdio: ["pipe", "pipe", "pipe"],
    env: { PATH: process.env.PATH, LC_ALL: "C" },
  });
  const ended = endOf(child, program, what);
  ended.catch(() => {}); // is looked at when the bytes are
  from.on("error", (error) => child.stdout.destroy(error));
  from.pipe(child.stdin);
  child.stdin.on("error", () => {}); // it ended early: its status tells why
  const work = fromStreams([child.stdout], told, () => {
    from.destroy();
    child.kill("SIGKILL");
  });
  return {
    ...work,
    bytes: (async function* () {
      yield* work.bytes;
      await ended;
    })(),
  };
}

function endOf(child: ChildProcess, program: string, what: string): Promise<void> {
  return new Promise((resolve, reject) => {
    let stderr = "";
    child.stderr?.on("data", (chunk: Uint8Array) => {
      stderr += chunk;
    });
    child.on("error", (error: NodeJS.ErrnoException) =>
      reject(
        error.code === "ENOENT"
          ? new VitrineError("NOT_FOUND", `${what}: is packed with ${program}, which is not installed`, {
              hint: `install it: package ${program === "xz" ? "xz-utils on Debian, xz elsewhere" : program}`,
            })
          : error,
      ),
    );
    child.on("close", (code) =>
      code === 0
        ? resolve()
        : reject(invalid(`${what}: is damaged: ${stderr.trim() || `${program} ended with ${code}`}`)),
    );
  });
}

/** A whole file; for those that no other form is offered of. */
export async function decompressXz(packed: Uint8Array, what: string): Promise<Buffer> {
  const told = (error: Error) => invalid(`${what}: is damaged: ${error.message}`);
  const parts: Uint8Array[] = [];
  for await (const part of byProgram("xz", Readable.from([packed]), told, what).bytes) parts.push(part);
  return Buffer.concat(parts);
}

function fromStreams(
  streams: readonly [Readable, ...Transform[]],
  told: (error: Error) => Error,
  close: () => void,
): Deb {
  const buffer = new PassThrough({ highWaterMark: AHEAD });
  let failure: Error | undefined;
  const [first, ...others] = streams;
  const noted = (error: Error | null | undefined) => {
    if (error) failure = told(error);
  };
  pipeline([first, ...others, buffer], noted);
  return {
    bytes: (async function* () {
      try {
        for await (const chunk of buffer) yield chunk as Uint8Array;
      } catch (error) {
        throw failure ?? told(error as Error);
      }
    })(),
    close() {
      close();
      buffer.destroy();
    },
  };
}
