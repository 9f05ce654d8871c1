/** A command on a pseudo terminal of the test's own. */
import { ROOT, STATE } from "./vitrine.ts";

export interface OnTerminal {
  readonly pid: number;
  /** All that was shown so far, with "\n" for line ends. */
  screen(): string;
  type(text: string): void;
  resize(columns: number, rows: number): void;
  /** The terminal goes, as when its window is closed. */
  close(): void;
  /** Its status, once all it wrote has been seen too. */
  readonly ended: Promise<number>;
}

export function onTerminal(argv: readonly string[]): OnTerminal {
  const decoder = new TextDecoder();
  let text = "";
  const drained = Promise.withResolvers<void>();
  const child = Bun.spawn([...argv], {
    env: { PATH: process.env.PATH ?? "", HOME: "/root", TERM: "dumb", VITRINE_ROOT: ROOT, VITRINE_STATE: STATE },
    terminal: {
      cols: 111,
      rows: 33,
      data(_, bytes) {
        text += decoder.decode(bytes, { stream: true });
      },
      exit: () => drained.resolve(),
    },
  });
  const { terminal } = child;
  if (!terminal) throw new Error("no terminal could be made");
  return {
    pid: child.pid,
    screen: () => text.replaceAll("\r\n", "\n"),
    type: (keys) => void terminal.write(keys),
    resize: (columns, rows) => terminal.resize(columns, rows),
    close: () => terminal.close(),
    ended: child.exited.then(async (status) => {
      // Who still has the terminal open after that keeps its end from being seen.
      await Promise.race([drained.promise, Bun.sleep(1000)]);
      return status;
    }),
  };
}
