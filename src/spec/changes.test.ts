import { describe, expect, test } from "bun:test";
import { applyChanges } from "./changes.ts";
import { splitWords } from "./words.ts";

const one = (text: string) => applyChanges({}, [text]);

describe("changes in a Dockerfile's words", () => {
  test.each([
    ['CMD ["sh", "-c", "exit 3"]', { Cmd: ["sh", "-c", "exit 3"] }],
    ["CMD echo $A", { Cmd: ["/bin/sh", "-c", "echo $A"] }],
    ["CMD=/bin/bash", { Cmd: ["/bin/sh", "-c", "/bin/bash"] }],
    ["CMD [not json", { Cmd: ["/bin/sh", "-c", "[not json"] }],
    ["CMD", { Cmd: [] }],
    ['ENTRYPOINT ["/init"]', { Entrypoint: ["/init"] }],
    ['ENV A=b C="d e" F=\\ g H=\'i"j\'', { Env: ["A=b", "C=d e", "F= g", 'H=i"j'] }],
    ["ENV A b  c", { Env: ["A=b  c"] }],
    ["env a=", { Env: ["a="] }],
    ["EXPOSE 80 53/udp 8000-8010", { ExposedPorts: ["80/tcp", "53/udp", "8000-8010/tcp"] }],
    ['LABEL a=b c="d=e"', { Labels: { a: "b", c: "d=e" } }],
    ["USER 1000:1000", { User: "1000:1000" }],
    ["WORKDIR /a/../b/./c", { WorkingDir: "/b/c" }],
    ['VOLUME ["/a b", "/c"]', { Volumes: ["/a b", "/c"] }],
    ["VOLUME /a /b", { Volumes: ["/a", "/b"] }],
    ["STOPSIGNAL SIGQUIT", { StopSignal: "SIGQUIT" }],
  ])("%s", (text, config) => expect<unknown>(one(text)).toEqual(config));

  test("one after the other", () => {
    const texts = [
      "ENV A=1 B=2",
      "ENV A=3",
      "WORKDIR /a",
      "WORKDIR b",
      "WORKDIR ../c",
      "EXPOSE 80",
      "EXPOSE 80/tcp 81",
    ];
    expect(applyChanges({ Env: ["B=0"] }, texts)).toEqual({
      Env: ["B=2", "A=3"],
      WorkingDir: "/a/c",
      ExposedPorts: ["80/tcp", "81/tcp"],
    });
  });

  test.each([
    ["RUN true", '"RUN" is none of CMD'],
    ["", "is none of CMD"],
    ["ENV", "says nothing behind ENV"],
    ["ENV A", "has no value"],
    ["ENV A=b =c", '"=c" is not of the form NAME=value'],
    ["CMD [1]", "not a list of strings"],
    ["EXPOSE 0", '"0" is no port'],
    ["EXPOSE 70000", '"70000" is no port'],
    ["EXPOSE 9-8", '"9-8" is no port'],
    ["USER a b", "one word is wanted"],
    ['LABEL a="b', "a quote that is not closed"],
  ])("%s is refused", (text, why) => expect(() => one(text)).toThrow(why));
});

test("words", () => expect(splitWords(' a \'b c\'d "" \\"e\\ f ', "x")).toEqual(["a", "b cd", "", '"e f']));
