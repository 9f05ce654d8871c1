import { invalid } from "../errors.ts";

const UNITS: Readonly<Record<string, number>> = { "": 1, b: 1, k: 2 ** 10, m: 2 ** 20, g: 2 ** 30, t: 2 ** 40 };

/** "128m", "1.5g", "65536": docker's way to write bytes (units of 1024). `what` names the option in errors. */
export function parseBytes(text: string, what: string): number {
  const match = /^(\d+(?:\.\d+)?)\s*(b|([kmgt])(?:i?b)?)?$/i.exec(text.trim());
  const bytes = match
    ? Math.floor(Number(match[1]) * (UNITS[(match[3] ?? "").toLowerCase()] ?? Number.NaN))
    : Number.NaN;
  if (!Number.isSafeInteger(bytes))
    throw invalid(`${what}: "${text}" is not a size`, "write bytes, or a number with k, m, g: 128m");
  return bytes;
}

/** 134217728 as "128 MiB". */
export function formatBytes(bytes: number): string {
  let value = bytes;
  let unit = 0;
  const names = ["B", "KiB", "MiB", "GiB", "TiB"];
  while (value >= 1024 && unit < names.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${Number(value.toFixed(1))} ${names[unit]}`;
}

/** A whole number within bounds, or an error that names the option. */
export function parseWhole(text: string, what: string, least: number, most = Number.MAX_SAFE_INTEGER): number {
  const value = /^-?\d+$/.test(text) ? Number(text) : Number.NaN;
  if (!(value >= least && value <= most)) {
    const range = most === Number.MAX_SAFE_INTEGER ? `${least} or more` : `${least} to ${most}`;
    throw invalid(`${what}: "${text}" is not a whole number (${range})`);
  }
  return value;
}
