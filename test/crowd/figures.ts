/** What a promise came to: printed by the runner of all suites. */
export function figure(what: string, values: Readonly<Record<string, string | number>>): void {
  const text = Object.entries(values).map(
    ([name, value]) => `${name} ${typeof value === "number" ? round(value) : value}`,
  );
  console.log(`figure: ${what}: ${text.join(", ")}`);
}

const round = (value: number) => (Number.isInteger(value) ? String(value) : value.toFixed(1));

/** @param part 0.5: the median */
export function quantile(values: readonly number[], part: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? Number.NaN;
}

/** All of `items`, at most so many at a time; the milliseconds that each took. */
export async function crowd<T>(items: readonly T[], width: number, act: (item: T) => Promise<void>): Promise<number[]> {
  const took: number[] = [];
  const left = [...items];
  const work = async () => {
    for (let item = left.shift(); item !== undefined; item = left.shift()) {
      const began = performance.now();
      await act(item);
      took.push(performance.now() - began);
    }
  };
  await Promise.all(Array.from({ length: width }, work));
  return took;
}
