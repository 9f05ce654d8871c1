/** Connections one after the other: `bun connections.ts serve PORT`, and `bun connections.ts open ADDRESS PORT COUNT`, which prints how many microseconds one takes. */
if (import.meta.main) {
  const [what, ...words] = process.argv.slice(2);
  if (what === "serve") {
    const socket = {
      open(one: Bun.Socket) {
        one.end();
      },
      data() {},
    };
    Bun.listen({ hostname: "0.0.0.0", port: Number(words[0]), socket });
  } else {
    const [hostname = "", port, count] = words;
    const once = () =>
      new Promise<void>((resolve, reject) => {
        const socket = { data() {}, close: () => resolve(), connectError: (_: unknown, error: Error) => reject(error) };
        Bun.connect({ hostname, port: Number(port), socket }).catch(reject);
      });
    for (let i = 0; i < 100; i++) await once();
    const began = process.hrtime.bigint();
    for (let i = 0; i < Number(count); i++) await once();
    console.log(Number(process.hrtime.bigint() - began) / 1000 / Number(count));
  }
}
