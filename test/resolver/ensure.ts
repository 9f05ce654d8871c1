/** What a container's start does about names, for a test: starts the resolver for the networks that are its arguments. */
import { ensureResolver } from "../../src/engine/network/resolver.ts";
import { VitrineError } from "../../src/errors.ts";
import { readNetwork } from "../../src/network/store.ts";

const [root = "", state = "", program = "", ...names] = process.argv.slice(2);
const paths = { root, state };
try {
  for (const name of names) {
    const network = readNetwork(paths, name);
    if (!network) throw new Error(`no network ${name}`);
    await ensureResolver({ paths, program }, network);
  }
} catch (error) {
  console.error(error instanceof VitrineError ? `${error.code} ${error.message}` : error);
  process.exit(1);
}
