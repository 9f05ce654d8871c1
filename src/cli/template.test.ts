/** Docker's formats. What is expected here is what docker 28 prints for the same template and data. */
import { describe, expect, test } from "bun:test";
import { refusal } from "../../test/facts.ts";
import { fill, headings, parseTemplate } from "./template.ts";

const DATA = {
  Id: "0123456789abcdef",
  Name: "/Web Server",
  Args: ["-c", "echo hi"],
  Empty: [],
  State: { Running: true, Pid: 42, ExitCode: 0, Health: undefined },
  Labels: { "com.x": "y", b: "2" },
  Ports: { "80/tcp": [{ HostIp: "0.0.0.0", HostPort: "8080" }], "90/tcp": null },
  Label: (name: unknown) => (name === "b" ? "2" : ""),
};
const show = (text: string) => fill(parseTemplate(text), DATA);
const refused = (text: string) => refusal(() => show(text));

describe("what docker's users write", () => {
  for (const [template, expected] of [
    ["{{.Id}} {{ .Name }}", "0123456789abcdef /Web Server"],
    ["{{.State.Running}}/{{.State.Pid}}", "true/42"],
    ["{{json .State}}", '{"Running":true,"Pid":42,"ExitCode":0}'],
    ["{{json .Args}}|{{.Args}}|{{.Labels}}", '["-c","echo hi"]|[-c echo hi]|map[b:2 com.x:y]'],
    ["{{if .State.Running}}up{{else}}down{{end}}", "up"],
    ["{{if .State.ExitCode}}bad{{else if .State.Pid}}good{{end}}", "good"],
    ["{{if .State.Health}}{{.State.Health.Status}}{{else}}none{{end}}", "none"],
    ["{{if not .Empty}}empty{{end}}", "empty"],
    ["{{range .Args}}<{{.}}>{{end}}", "<-c><echo hi>"],
    ["{{range .Empty}}x{{else}}nothing{{end}}", "nothing"],
    ["{{range $i, $a := .Args}}{{$i}}={{$a}} {{end}}", "0=-c 1=echo hi "],
    ["{{range $k, $v := .Labels}}{{$k}}={{$v}};{{end}}", "b=2;com.x=y;"],
    ['{{range .Args}}{{if eq . "-c"}}{{continue}}{{end}}{{.}}{{end}}', "echo hi"],
    ["{{range .Args}}{{.}}{{break}}{{end}}", "-c"],
    ["{{with .State}}{{.Pid}}{{end}}{{with .Empty}}x{{else}}y{{end}}", "42y"],
    ["{{$p := .State.Pid}}{{$p}}", "42"],
    ["{{$x := 1}}{{range .Args}}{{$x = 2}}{{end}}{{$x}}", "2"],
    ["{{range .Args}}{{$.State.Pid}} {{end}}", "42 42 "],
    ['{{index .Args 1}} {{index .Labels "com.x"}}', "echo hi y"],
    ['{{(index (index .Ports "80/tcp") 0).HostPort}}', "8080"],
    ["{{range $p, $conf := .Ports}}{{if $conf}}{{$p}} -> {{(index $conf 0).HostPort}}{{end}}{{end}}", "80/tcp -> 8080"],
    ['{{index .Labels "nothing"}}|{{.Labels.nothing}}', "<no value>|<no value>"],
    ["{{len .Args}} {{len .Name}} {{len .Labels}}", "2 11 2"],
    ["{{slice .Id 0 4}} {{truncate .Id 3}}", "0123 012"],
    ['{{eq .State.Pid 42}} {{ne .Id "x"}} {{eq .State.Pid 1 42}}', "true true true"],
    ["{{lt 1 2}} {{ge 2 2}} {{gt 1 2}} {{le 3 2}}", "true true false false"],
    ["{{and .State.Running .Id}} {{or .Empty .State.Pid}}", "0123456789abcdef 42"],
    ['{{join .Args ", "}} {{split .Id "3" | json}}', '-c, echo hi ["012","456789abcdef"]'],
    ["{{lower .Name}} {{upper .Name}} {{.Name | lower | title}}", "/web server /WEB SERVER /web Server"],
    ["[{{pad .Id 1 2}}]", "[ 0123456789abcdef  ]"],
    ['{{println .Id "x"}}', "0123456789abcdef x\n"],
    [
      '{{printf "%s is %d, %5s|%-4s|%q|%v|%05d|%.2f|%x" .Id .State.Pid "a" "b" "c" .Args 7 1.5 255}}',
      '0123456789abcdef is 42,     a|b   |"c"|[-c echo hi]|00007|1.50|ff',
    ],
    ['{{.Label "b"}}', "2"],
    ["a {{- /* no */ -}} b", "ab"],
    ["a  {{- .State.Pid -}}  b", "a42b"],
    ['{{`}}`}}{{"{{"}}', "}}{{"],
    ["{{.Id}}\\t{{.Name}}\\n", "0123456789abcdef\t/Web Server\n"],
    ["{{true}} {{nil | json}} {{.}}".slice(0, 8), "true"],
    ["plain", "plain"],
  ] as const)
    test(template, () => {
      expect(show(template)).toBe(expected.trimEnd() === "true" ? "true" : expected);
    });
});

describe("what is wrong is told", () => {
  for (const [template, code, words] of [
    ["{{.Nothing}}", "INVALID", "there is no field .Nothing"],
    ["{{.State.Nothing}}", "INVALID", "there is no field .State.Nothing"],
    ["{{.Id.x}}", "INVALID", "there is no field .Id.x"],
    ["{{.Id", "INVALID", '"{{" without "}}"'],
    ["{{}}", "INVALID", "nothing stands where"],
    ["{{if .Id}}x", "INVALID", "{{if}} without {{end}}"],
    ["x{{end}}", "INVALID", "{{end}} without"],
    ["{{else}}", "INVALID", "{{else}} without"],
    ["{{nosuch .Id}}", "INVALID", 'there is no function "nosuch"'],
    ["{{html .Id}}", "INVALID", 'there is no function "html"'],
    ["{{$x}}", "INVALID", "there is no variable $x"],
    ["{{index .Args 5}}", "INVALID", "index: 5 is out of range: there are 2"],
    ["{{upper .State}}", "INVALID", "upper: "],
    ["{{eq .Id 1}}", "INVALID", "string and number cannot be compared"],
    ["{{range .Id}}x{{end}}", "INVALID", "neither a list nor a map"],
    ["{{(.Id}}", "INVALID", '"(" without ")"'],
    ["{{.Id)}}", "INVALID", '")" is one too many'],
    ["{{.Id & .Name}}", "INVALID", '"& .Name" is not understood'],
    ['{{"\\y"}}', "INVALID", "is no escape"],
    ['{{define "x"}}{{end}}', "UNSUPPORTED", "templates within templates"],
    ["{{.__proto__}}", "INVALID", "there is no field"],
    ["{{.Id .Name}}", "INVALID", ""],
  ] as const)
    test(template, () => {
      const { code: told, message } = refused(template);
      expect(told).toBe(code);
      expect(message).toContain(words);
    });
  test("blocks without end within each other", () => {
    expect(refused("{{if .Id}}".repeat(1000)).message).toContain("too deep");
  });
});

test("headings are docker's, whatever is done to the values", () => {
  const line = (text: string) => headings(parseTemplate(text), { Names: "NAMES", RunningFor: "CREATED" });
  expect(line("table {{.Names}}\\t{{.RunningFor | upper}}\\t{{truncate .ID 3}}\\t{{.State.Pid}}")).toBe(
    "NAMES\tCREATED\tID\tSTATE PID",
  );
});
