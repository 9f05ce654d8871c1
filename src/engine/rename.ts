/** Another name for a container: claimed first, and the old one is let go last. */
import { newIdentity } from "../container/identity.ts";
import { checkName } from "../container/name.ts";
import { claimRun, dropRun } from "../container/runs.ts";
import { changeRecords, readRecord, releaseName, takeName } from "../container/store.ts";
import { invalid, VitrineError } from "../errors.ts";
import type { Engine } from "./context.ts";
import { containerEvent } from "./events.ts";
import { findContainer } from "./find.ts";
import { freeName } from "./run.ts";

export async function renameContainer(engine: Engine, nameOrId: string, text: string): Promise<void> {
  const { paths } = engine;
  const { id } = await findContainer(engine, nameOrId);
  const name = checkName(text.replace(/^\//, ""));
  const marker = claimRun(paths, { ...newIdentity(undefined), id }); // what is half renamed is not swept up meanwhile
  try {
    const record = readRecord(paths, id);
    if (!record)
      throw new VitrineError(
        "UNSUPPORTED",
        `container ${nameOrId} is removed when it ends, and keeps its name until then`,
        {
          hint: "one that is run without --rm can be renamed",
        },
      );
    if (record.name === name) throw invalid(`container ${name} has this name already`);
    await freeName(engine, name);
    take(engine, name, id);
    if (readRecord(paths, id)?.name !== record.name) {
      releaseName(paths, name, id);
      throw new VitrineError("CONFLICT", `container ${record.name} was renamed or removed by another command`);
    }
    try {
      changeRecords(paths, id, (now) => ({ ...now, name }));
    } catch (error) {
      releaseName(paths, name, id);
      throw error;
    }
    releaseName(paths, record.name, id);
    containerEvent(engine, "rename", { ...record, name }, { oldName: `/${record.name}` });
  } finally {
    dropRun(marker);
  }
}

function take({ paths }: Engine, name: string, id: string): void {
  try {
    takeName(paths, name, id);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    throw new VitrineError("CONFLICT", `"${name}": another container has taken this name a moment ago`);
  }
}
