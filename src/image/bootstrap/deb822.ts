/** Control data of Debian, deb822(5): paragraphs of "Field: value" lines; a line that begins with a blank goes on with the last field. */
import { invalid } from "../../errors.ts";

/** Fields by their name in lower case; lines after the first are kept with their leading blank. */
export type Paragraph = ReadonlyMap<string, string>;

/**
 * @param what is named in errors: which file this is
 * @throws INVALID for a line that is neither a field nor goes on with one
 */
export function parseParagraphs(text: string, what: string): Paragraph[] {
  const paragraphs: Paragraph[] = [];
  for (const part of text.split(/\n(?:[ \t]*\n)+/)) {
    const paragraph = parseParagraph(part, what);
    if (paragraph.size > 0) paragraphs.push(paragraph);
  }
  return paragraphs;
}

export function parseParagraph(text: string, what: string): Paragraph {
  const fields = new Map<string, string>();
  let last: string | undefined;
  for (const raw of text.split("\n")) {
    const line = raw.endsWith("\r") ? raw.slice(0, -1) : raw;
    if (line.trim() === "" || line.startsWith("#")) continue;
    if (line.startsWith(" ") || line.startsWith("\t")) {
      if (last === undefined) throw invalid(`${what}: "${line.trim()}" belongs to no field`);
      fields.set(last, `${fields.get(last)}\n${line}`);
      continue;
    }
    const colon = line.indexOf(":");
    if (colon <= 0 || /\s/.test(line.slice(0, colon))) throw invalid(`${what}: "${line}" is not "Field: value"`);
    last = line.slice(0, colon).toLowerCase();
    if (fields.has(last)) throw invalid(`${what}: the field ${line.slice(0, colon)} stands twice in one paragraph`);
    fields.set(last, line.slice(colon + 1).trim());
  }
  return fields;
}

/** The words of a field, over all its lines. */
export function words(paragraph: Paragraph, field: string): string[] {
  return (paragraph.get(field) ?? "").split(/\s+/).filter((word) => word !== "");
}
