/** Connections that lead where nobody is any more, or past a container's published port: forgotten. */
import { carryOut } from "../../container/plans.ts";
import { connectionsIn, isSo, type Which } from "../../linux/conntrack.ts";
import { forgetConnections, readConnections } from "../../plan/network/connections.ts";
import type { Engine } from "../context.ts";

/** So much is read at once, about a thousand of them; more where the rest is of others. */
const PARTS = { first: 8, most: 256 };

export function forget(engine: Engine, which: readonly Which[]): void {
  for (const one of which)
    for (let parts = PARTS.first; parts <= PARTS.most; ) {
      const { connections, last } = read(engine, one, parts);
      const wanted = connections.filter((connection) => isSo(connection, one));
      if (wanted.length > 0) carryOut(engine.stage.path, engine.paths, [forgetConnections(wanted)]);
      if (last) break;
      if (wanted.length < connections.length) parts *= 2;
    }
}

function read({ paths, stage }: Engine, which: Which, most: number) {
  const { op, parts } = readConnections(which, most);
  const { report, numberOf } = carryOut(stage.path, paths, [op]);
  const answers = parts.flatMap(({ bytes, length }) => {
    const size = Number(report.records[numberOf(length)]?.result ?? 0n);
    return size > 0 ? [report.output(bytes).subarray(0, size)] : [];
  });
  return connectionsIn(answers);
}
