import { invalid } from "../../errors.ts";

/** HOST:PORT, [IPV6]:PORT, :PORT for every address. */
export function parseAddress(text: string): { host: string; port: number } {
  const match = /^(?:\[([0-9a-fA-F:.%a-z]+)\]|([^:[\]/\s]*)):(\d{1,5})$/.exec(text);
  const port = Number(match?.[3]);
  if (!match || port > 65535) throw invalid(`--addr "${text}": not HOST:PORT`, "127.0.0.1:5000, [::1]:5000, :5000");
  return { host: match[1] ?? (match[2] || "::"), port };
}
