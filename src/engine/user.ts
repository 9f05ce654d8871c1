import type { ImageSource } from "../image/source.ts";
import { HOST_IMAGE_FILES } from "../plan/hostimage.ts";
import { readTextFile } from "../plan/textfile.ts";
import type { RunOptions } from "../spec/options.ts";
import { parseUser, type ResolvedUser, ROOT, resolveUser, withGroups } from "../spec/user.ts";
import type { Engine } from "./context.ts";
import { carryOut } from "./plans.ts";

/** Who `--user` is in an image, by its own passwd and group files. @param assembled whether the image's layers are there yet */
export function resolveIn(
  engine: Engine,
  { user, groupAdd }: Pick<RunOptions, "user" | "groupAdd">,
  image: ImageSource,
  assembled: boolean,
): ResolvedUser {
  const request = user === undefined ? undefined : parseUser(user);
  const [passwd, group] = ["/etc/passwd", "/etc/group"].map((path) => {
    if (!assembled) return HOST_IMAGE_FILES[path] ?? "";
    return firstOf(engine, image.layers, path);
  });
  const found = request ? resolveUser(request, passwd ?? "", group ?? "") : ROOT;
  return withGroups(found, groupAdd, group ?? "");
}

function firstOf(engine: Engine, layers: readonly string[], path: string): string {
  for (const layer of layers) {
    const file = readTextFile(layer, path, engine.facts.arch);
    const { report, numberOf } = carryOut(engine.stage.path, engine.paths, [file.op]);
    const record = report.records[numberOf(file.length)];
    if (record?.state === "done")
      return new TextDecoder().decode(report.output(file.content).subarray(0, Number(record.result)));
  }
  return "";
}
