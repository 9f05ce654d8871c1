import { expect, test } from "bun:test";
import { refusal } from "../../test/facts.ts";
import { listing } from "./listing.ts";
import { fill, parseTemplate } from "./template.ts";

const list = {
  rows: [
    { ID: "abc", Name: "long name" },
    { ID: "abcdef", Name: "n" },
  ],
  shown: ["ID", "Name"] as const,
  heads: { ID: "IMAGE ID" },
};

test("tables, JSON and templates", () => {
  expect(listing(list, undefined)).toBe("IMAGE ID   Name\nabc        long name\nabcdef     n\n");
  expect(listing(list, "table")).toBe(listing(list, undefined));
  expect(listing(list, "json")).toBe('{"ID":"abc","Name":"long name"}\n{"ID":"abcdef","Name":"n"}\n');
  expect(listing(list, "{{.Name}}: {{ .ID }}")).toBe("long name: abc\nn: abcdef\n");
  expect(listing(list, "table {{.Name}}\\t{{.ID}}")).toBe(
    "NAME        IMAGE ID\nlong name   abc\nn           abcdef\n",
  );
  expect(listing(list, "{{json .}}")).toBe(listing(list, "json"));
});

test("values as Go prints them", () => {
  const value = { A: { B: ["x", "y"], C: { z: 1, a: true } }, N: null };
  const show = (text: string) => fill(parseTemplate(text), value);
  expect(show("{{.A.B}} {{.A.C}} {{json .A.B}} {{.N}}")).toBe('[x y] map[a:true z:1] ["x","y"] <no value>');
  expect(refusal(() => show("{{.A.X}}"))).toMatchObject({
    code: "INVALID",
    message: "--format: there is no field .A.X",
  });
  expect(refusal(() => show("{{.__proto__}}")).code).toBe("INVALID");
  expect(refusal(() => parseTemplate("{{template .A}}")).code).toBe("UNSUPPORTED");
  expect(refusal(() => parseTemplate("{{.A")).code).toBe("INVALID");
});
