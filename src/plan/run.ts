/** The plan of a run in the foreground: from a config and the host's facts to ops, without looking at anything else. */
import type { HostFacts } from "../linux/facts.ts";
import { hasNamespace } from "../spec/config.ts";
import { type CidFile, writeCidFile } from "./cidfile.ts";
import { type ContainerInput, planContainer } from "./container.ts";
import { afterFailure, end, letGo, lockPlan, quietStart, type RunPlace, recovery, sealStage, serve } from "./life.ts";
import { ownPidfd, ownProcfs } from "./namespaces.ts";
import type { Plan, Section } from "./plan.ts";
import { claimName, makeScratch } from "./rootfs.ts";
import type { Streams } from "./streams.ts";
import { dismissGuardian, guardTerminal } from "./terminal.ts";

export interface RunInput extends ContainerInput {
  readonly place: RunPlace;
  /** The container's own directory; removed at the end unless `keep`. */
  readonly directory: string;
  readonly keep: boolean;
  readonly id: string;
  /** The file that claims its name. */
  readonly nameFile: string;
  /** Let the program tell of the end in any case: for a timeline, or to note the status of a container that stays. */
  readonly tell: boolean;
  /** The stage's file, for a sealed copy. */
  readonly stage: { readonly path: string; readonly size: number };
  readonly streams: Streams;
  /** After so long the container is killed; 0: never. */
  readonly timeoutMs: number;
  /** A file that its id is written to. */
  readonly cidfile?: string | undefined;
}

/** Number of the stage's program "resume": see stage/wire.h. */
const RESUME = 3;

export function planRun(input: RunInput, facts: HostFacts): Plan {
  const cidfile = input.cidfile === undefined ? undefined : writeCidFile(input.cidfile, input.id);
  const sections = runSections(input, facts, cidfile);
  const common = {
    failed: afterFailure(input.place, cidfile ? [cidfile.takeBack] : []),
    recover: recovery(input.place),
  };
  if (hasNamespace(input.config, "user")) return { run: sections, ...common };
  const seal = sealStage(input.stage, `${input.place.directory}/plan`, RESUME);
  return { run: [{ phase: "Claim", ops: [seal] }, ...sections], restart: seal, ...common };
}

function runSections(input: RunInput, facts: HostFacts, cidfile: CidFile | undefined): Section[] {
  const { place } = input;
  const { op: lockOp, lock } = lockPlan(place);
  const { op: procOp, procfs } = ownProcfs();
  const { op: selfOp, pidfd: self } = ownPidfd();
  const { groups, namespaces, outside, child, terminal, detached } = planContainer(input, facts, { procfs, self }, {});
  const guard = terminal && input.streams.input && input.streams.terminal ? guardTerminal(self, lock) : undefined;
  const kept = letGo(lock, child, detached, terminal);
  const { op: serveOp, status } = serve(kept, input.streams.input, input.timeoutMs);
  const calm = guard ? [dismissGuardian(guard.guardian)] : [];
  return [
    {
      phase: "Claim",
      ops: [
        lockOp,
        quietStart(),
        claimName(input.nameFile, input.id, !input.keep),
        ...(cidfile ? [cidfile.op] : []),
        ...makeScratch(input.root, input.directory, !input.keep),
        procOp,
        selfOp,
        ...(guard ? [guard.op] : []),
      ],
    },
    { phase: "Limits", ops: groups.prepare },
    { phase: "Namespaces", ops: namespaces },
    { phase: "Root file system", ops: outside },
    { phase: "Life and end", ops: [kept.op, serveOp, ...calm, ...end(place, status, { tell: input.tell })] },
  ];
}
