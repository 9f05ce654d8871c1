/** What commands list: a JSON object a line. */

export interface ListOptions {
  /** Also those that do not run. */
  readonly all?: boolean;
  /** { label: "a=b", status: "exited" } */
  readonly filters?: Readonly<Record<string, string | readonly string[]>>;
}

export function filterFlags(filters: NonNullable<ListOptions["filters"]>): string[] {
  return Object.entries(filters).flatMap(([name, value]) => [value].flat().map((one) => `--filter=${name}=${one}`));
}

export const rows = <Row>(text: string): Row[] =>
  text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line));
