/** Unpacks a layer, for tests that need a process that does: ROOT STATE BLOB DIFF_ID|- [CHAIN_ID_BELOW] */
import { readFileSync } from "node:fs";
import { unpackLayer } from "../src/image/layer/unpack.ts";
import type { Digest } from "../src/spec/digest.ts";
import { installStage } from "../src/stage/binary.ts";

const [root = "", state = "", blob = "", diffId = "-", below] = process.argv.slice(2);
const { LAYER_STAGE } = process.env;
const stage = LAYER_STAGE === undefined ? await installStage(`${root}/stage`) : { path: LAYER_STAGE };
try {
  const layer = await unpackLayer(
    { paths: { root, state }, stage },
    {
      blob,
      diffId: diffId === "-" ? undefined : (diffId as Digest),
      below: below === undefined ? [] : [below as Digest],
    },
  );
  process.stdout.write(`${layer.chainId}\n`);
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : error}\n`);
  process.exitCode = 1;
}
const [, peak = ""] = /VmHWM:\s*(\d+)/.exec(readFileSync("/proc/self/status", "utf8")) ?? [];
if (process.env.TELL_MEMORY) process.stderr.write(`peak ${peak} KiB\n`);
