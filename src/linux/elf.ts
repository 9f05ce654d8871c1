/** What the dynamic loader needs to know of an ELF file (elf(5)): its interpreter and libraries. 64-bit, little endian. */
export interface ElfFile {
  /** e_machine: 62 is x86-64, 183 aarch64. */
  readonly machine: number;
  /** PT_INTERP: the dynamic loader; undefined for a static program or a library. */
  readonly interpreter?: string | undefined;
  /** DT_NEEDED, in order. */
  readonly needed: readonly string[];
  /** DT_RUNPATH, or else DT_RPATH: directories, "$ORIGIN" not yet replaced. */
  readonly runpath: readonly string[];
}

const PT_LOAD = 1;
const PT_DYNAMIC = 2;
const PT_INTERP = 3;
const DT_NEEDED = 1;
const DT_STRTAB = 5;
const DT_RPATH = 15;
const DT_RUNPATH = 29;

/** PATH_MAX; and far more entries than any linker writes. */
const LONGEST_STRING = 4096;
const MOST_ENTRIES = 4096;

interface Segment {
  readonly type: number;
  readonly offset: number;
  readonly address: number;
  readonly size: number;
}

/** Undefined if these bytes are no 64-bit little-endian ELF file; a RangeError if they are a damaged one. */
export function parseElf(file: Uint8Array): ElfFile | undefined {
  if (file.length < 64 || file[0] !== 0x7f || file[1] !== 0x45 || file[2] !== 0x4c || file[3] !== 0x46)
    return undefined;
  if (file[4] !== 2 || file[5] !== 1) return undefined;
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const u64 = (at: number) => Number(view.getBigUint64(at, true));
  const segments: Segment[] = [];
  const [table, entrySize, count] = [u64(32), view.getUint16(54, true), view.getUint16(56, true)];
  for (let i = 0; i < count; i++) {
    const at = table + i * entrySize;
    segments.push({ type: view.getUint32(at, true), offset: u64(at + 8), address: u64(at + 16), size: u64(at + 32) });
  }
  const string = (at: number) => {
    const end = file.subarray(at, at + LONGEST_STRING).indexOf(0);
    if (at >= file.length || end < 0) throw new RangeError("a string of the ELF file does not end");
    return new TextDecoder().decode(file.subarray(at, at + end));
  };
  const interpreter = segments.find((s) => s.type === PT_INTERP);
  const dynamic = segments.find((s) => s.type === PT_DYNAMIC);
  const entries: [number, number][] = [];
  if (dynamic)
    for (let at = dynamic.offset; at + 16 <= dynamic.offset + dynamic.size; at += 16) {
      const tag = u64(at);
      if (tag === 0) break;
      entries.push([tag, u64(at + 8)]);
      if (entries.length > MOST_ENTRIES) throw new RangeError("the ELF file has too many dynamic entries");
    }
  const stringTable = fileOffset(segments, entries.find(([tag]) => tag === DT_STRTAB)?.[1]);
  const strings = (tag: number) =>
    entries
      .filter(([t]) => t === tag)
      .map(([, at]) => {
        if (stringTable === undefined) throw new RangeError("the ELF file has no string table");
        return string(stringTable + at);
      });
  const runpath = strings(DT_RUNPATH);
  return {
    machine: view.getUint16(18, true),
    interpreter: interpreter ? string(interpreter.offset) : undefined,
    needed: strings(DT_NEEDED),
    runpath: (runpath.length > 0 ? runpath : strings(DT_RPATH)).flatMap((p) => p.split(":")).filter(Boolean),
  };
}

function fileOffset(segments: readonly Segment[], address: number | undefined): number | undefined {
  if (address === undefined) return undefined;
  const segment = segments.find((s) => s.type === PT_LOAD && address >= s.address && address < s.address + s.size);
  return segment ? address - segment.address + segment.offset : undefined;
}

/** "#!/bin/sh -e" as ["/bin/sh", "-e"]; undefined if the file does not start so. */
export function parseShebang(file: Uint8Array): [string, string?] | undefined {
  if (file[0] !== 0x23 || file[1] !== 0x21) return undefined;
  const end = file.indexOf(10);
  const line = new TextDecoder().decode(file.subarray(2, Math.min(end < 0 ? file.length : end, 256))).trim();
  const at = line.search(/\s/);
  if (line === "") return undefined;
  return at < 0 ? [line] : [line.slice(0, at), line.slice(at).trim()];
}
