/** Sizes as docker shows them: decimal units, three digits. */
const UNITS = ["B", "kB", "MB", "GB", "TB", "PB"];

export function decimalSize(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= 999.5 && unit < UNITS.length - 1) {
    value /= 1000;
    unit++;
  }
  return `${Number(value.toPrecision(3))}${UNITS[unit]}`;
}
