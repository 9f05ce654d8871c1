import { type Engine, openEngine } from "../../engine/context.ts";
import type { BootstrapOptions, Listeners } from "../../engine/image/bootstrap.ts";
import { VitrineError } from "../../errors.ts";
import type { ImageRecord } from "../../image/images.ts";
import { type Command, type Invocation, list, text, truth } from "../command.ts";
import { startAgainWithCompilers } from "../compilers.ts";
import { printError, printOut } from "../output.ts";
import { openProgress, type Progress } from "../progress.ts";

export const command: Command = {
  usage: "vitrine image bootstrap [FLAGS] DISTRIBUTION/SUITE",
  summary: "Make an image from a distribution's mirror: debian/bookworm",
  flags: [
    { name: "tag", short: "t", kind: "list", value: "NAME", help: "name of the image (localhost/DISTRIBUTION:SUITE)" },
    {
      name: "variant",
      kind: "string",
      value: "NAME",
      help: "essential, apt, required, minbase (if not given), buildd, important, standard",
    },
    { name: "include", kind: "list", value: "PACKAGE,…", help: "these packages too, and what they need" },
    { name: "exclude", kind: "list", value: "PACKAGE,…", help: "never these packages" },
    {
      name: "mirror",
      kind: "list",
      value: "URL|LINE",
      help: 'instead of the host\'s: a URL, or "deb URL SUITE COMPONENT…"',
    },
    { name: "components", kind: "list", value: "NAME,…", help: "main if not given" },
    { name: "keyring", kind: "string", value: "FILE", help: "keys that the mirror may be signed with" },
    {
      name: "arch",
      kind: "string",
      value: "NAME",
      help: "architecture, in the distribution's word; the machine's own",
    },
    { name: "no-check-signature", kind: "bool", help: "trust whatever comes: for a mirror of your own" },
    { name: "no-check-valid-until", kind: "bool", help: "take an outdated suite: an archived one, or a snapshot" },
    { name: "verbose", short: "v", kind: "bool", help: "show what dpkg and the packages' scripts write" },
    { name: "quiet", short: "q", kind: "bool", help: "print the image's id only" },
    { name: "explain", kind: "optional", value: "text|json|script", help: "make nothing: print what would be done" },
  ],
  async run(invocation) {
    const options = bootstrapOptions(invocation);
    startAgainWithCompilers();
    const explain = invocation.flags.get("explain");
    const engine = await openEngine(invocation.paths);
    const { bootstrapImage, planBootstrap } = await import("../../engine/image/bootstrap.ts");
    const { bootstrapByManager, scriptOf } = await import("../../engine/image/managerbootstrap.ts");
    const script = scriptOf(options);
    if (explain !== undefined && script !== undefined) {
      printOut(explain === "json" ? `${JSON.stringify({ ...options, script }, undefined, 2)}\n` : script);
      return 0;
    }
    if (explain !== undefined) {
      const { explainBootstrap } = await import("../../image/bootstrap/explain.ts");
      const prepared = await planBootstrap(engine, options, {});
      printOut(explainBootstrap(prepared, explain === true ? "text" : String(explain)));
      return 0;
    }
    const quiet = truth(invocation, "quiet");
    const progress = openProgress(quiet);
    try {
      const onLine = truth(invocation, "verbose") ? progress.say : undefined;
      const work = (listeners: Listeners) =>
        script === undefined
          ? bootstrapImage(engine, options, { ...listeners, onLine })
          : bootstrapByManager(engine, options, script, { ...listeners, onLine });
      const { image, names } = await attended(progress, work);
      progress.close();
      printOut(quiet ? `sha256:${image.id}\n` : `Image: ${names.join(", ")}\nsha256:${image.id}\n`);
      return 0;
    } finally {
      progress.close();
    }
  },
};

/** `vitrine run bootstrap:debian/bookworm`: with what is usual; told on standard error. */
export async function bootstrapForRun(engine: Engine, label: string, quiet: boolean): Promise<ImageRecord> {
  startAgainWithCompilers();
  const [, distribution = "", suite = ""] = /^bootstrap:([^/]*)\/(.*)$/.exec(label) ?? [];
  const { bootstrapImage } = await import("../../engine/image/bootstrap.ts");
  const { bootstrapByManager, scriptOf } = await import("../../engine/image/managerbootstrap.ts");
  const options = { ...USUAL, distribution, suite };
  const script = scriptOf(options);
  const progress: Progress = { show() {}, say: (line) => quiet || printError(`${line}\n`), close() {} };
  const { image } = await attended(progress, (listeners) =>
    script === undefined
      ? bootstrapImage(engine, options, listeners)
      : bootstrapByManager(engine, options, script, listeners),
  );
  return image;
}

/** A signal ends the work, and what it has begun is taken away. */
async function attended<T>({ show, say }: Progress, work: (listeners: Listeners) => Promise<T>): Promise<T> {
  const stop = new AbortController();
  const handlers = (["SIGINT", "SIGTERM", "SIGHUP"] as const).map((name) => {
    const handler = () => stop.abort(new VitrineError("STEP_FAILED", `ended by ${name}`));
    process.on(name, handler);
    return [name, handler] as const;
  });
  try {
    return await work({ onTransfer: show, onStep: say, signal: stop.signal });
  } finally {
    for (const [name, handler] of handlers) process.off(name, handler);
  }
}

const USUAL: Omit<BootstrapOptions, "distribution" | "suite"> = {
  variant: "minbase",
  include: [],
  exclude: [],
  components: [],
  mirrors: [],
  checkSignature: true,
  names: [],
};

function bootstrapOptions(invocation: Invocation): BootstrapOptions {
  const [what, ...more] = invocation.args;
  const [, distribution, suite] = /^([a-z0-9.-]+)\/([A-Za-z0-9][A-Za-z0-9._/+-]*)$/.exec(what ?? "") ?? [];
  if (what === undefined || more.length > 0)
    throw new VitrineError("USAGE", "one DISTRIBUTION/SUITE is needed", {
      hint: "vitrine image bootstrap debian/bookworm",
    });
  if (distribution === undefined || suite === undefined)
    throw new VitrineError("USAGE", `"${what}": not of the form DISTRIBUTION/SUITE`, {
      hint: "debian/bookworm, ubuntu/noble",
    });
  const words = (name: string) =>
    list(invocation, name).flatMap((value) => value.split(/[\s,]+/).filter((word) => word !== ""));
  const explain = invocation.flags.get("explain");
  if (explain !== undefined && explain !== true && !["text", "json", "script"].includes(String(explain)))
    throw new VitrineError("USAGE", `--explain "${explain}": neither text nor json nor script`);
  return {
    distribution,
    suite,
    variant: text(invocation, "variant") ?? USUAL.variant,
    include: words("include"),
    exclude: words("exclude"),
    components: words("components"),
    mirrors: list(invocation, "mirror"),
    keyring: text(invocation, "keyring"),
    architecture: text(invocation, "arch"),
    checkSignature: !truth(invocation, "no-check-signature"),
    checkValidUntil: truth(invocation, "no-check-valid-until") ? false : undefined,
    names: list(invocation, "tag"),
  };
}
