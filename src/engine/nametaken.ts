import { VitrineError } from "../errors.ts";

export function nameTaken(name: string): VitrineError {
  return new VitrineError("CONFLICT", `--name "${name}": a container with this name is there`, {
    hint: `vitrine rm ${name}, or take another name`,
  });
}
