/** Looking for images by a word: Docker Hub's search where a registry offers it, or else its list of repositories. */
import { invalid, VitrineError } from "../../errors.ts";
import { findCredential } from "../../image/credentials/find.ts";
import { AnswerError, answerError, oneLine } from "../../image/registry/answers.ts";
import { readRegistriesConfiguration } from "../../image/registry/configuration.ts";
import { listRepositories } from "../../image/registry/lists.ts";
import { patiently } from "../../image/registry/patience.ts";
import { Session } from "../../image/registry/session.ts";
import { DEFAULT_HOST, splitHost } from "../../image/registryname.ts";
import { parseForeignJson } from "../../spec/depth.ts";
import { Fields, record } from "../../spec/json.ts";

export interface SearchResult {
  readonly name: string;
  readonly description: string;
  /** 0 where a registry counts none. */
  readonly stars: number;
  readonly official: boolean;
}

export interface SearchFilters {
  readonly stars: number;
  readonly official?: boolean | undefined;
}

const ANSWER_BYTES = 4 * 2 ** 20;
const SEARCH_HOSTS: Readonly<Record<string, string>> = { [DEFAULT_HOST]: "index.docker.io" };

/** @param text a word, or HOST/WORD @throws UNSUPPORTED where a registry offers neither */
export async function searchImages(text: string, limit: number, filters: SearchFilters): Promise<SearchResult[]> {
  const slash = text.indexOf("/");
  const { host } = splitHost(slash < 0 ? text : `${text.slice(0, slash)}/x`);
  const word = host === DEFAULT_HOST && !text.startsWith(`${DEFAULT_HOST}/`) ? text : text.slice(slash + 1);
  if (word === "" && host === DEFAULT_HOST) throw invalid(`"${text}": no word to look for`);
  const suits = (result: SearchResult) =>
    result.stars >= filters.stars && (filters.official === undefined || result.official === filters.official);
  const found = (await bySearch(host, word, limit)) ?? (await byCatalog(host, word, limit, suits));
  return found.filter(suits).slice(0, limit);
}

/** Undefined where there is none. */
async function bySearch(host: string, word: string, limit: number): Promise<SearchResult[] | undefined> {
  const session = open(SEARCH_HOSTS[host] ?? host, host);
  const what = `${host}: search`;
  const bytes = await patiently(session.attempts(), async () => {
    const query = new URLSearchParams({ q: word, n: String(limit) });
    const answer = await session.ask({ method: "GET", at: `/v1/search?${query}`, scopes: [] });
    if (answer.status === 200 && answer.header("content-type").includes("json"))
      return await answer.body.whole(ANSWER_BYTES, what);
    if (host === DEFAULT_HOST || answer.status === 429 || answer.status >= 500) throw await answerError(answer, what);
    await answer.body.drop();
    return undefined;
  });
  if (!bytes) return undefined;
  const results = new Fields(parseForeignJson(bytes, what, ANSWER_BYTES), `${what}: $`);
  const prefix = host === DEFAULT_HOST ? "" : `${host}/`;
  return results.list("results", (value, path) => {
    const { name, description, star_count, is_official } = record(value, path);
    return {
      name: oneLine(prefix + String(name ?? "")),
      description: oneLine(String(description ?? "")),
      stars: typeof star_count === "number" ? star_count : 0,
      official: is_official === true,
    };
  });
}

async function byCatalog(
  host: string,
  word: string,
  limit: number,
  suits: (result: SearchResult) => boolean,
): Promise<SearchResult[]> {
  const found: SearchResult[] = [];
  try {
    for await (const repository of listRepositories(open(host, host), {})) {
      if (!repository.toLowerCase().includes(word.toLowerCase())) continue;
      const result = { name: oneLine(`${host}/${repository}`), description: "", stars: 0, official: false };
      if (suits(result)) found.push(result);
      if (found.length >= limit) break;
    }
  } catch (error) {
    if (error instanceof AnswerError && [400, 404, 405, 501].includes(error.status))
      throw new VitrineError("UNSUPPORTED", `${host}: offers neither a search nor a list of its repositories`, {
        hint: "look on its web pages",
        cause: error,
      });
    throw error;
  }
  return found;
}

function open(host: string, of: string): Session {
  return new Session({ host, configuration: readRegistriesConfiguration(), credential: () => findCredential(of) });
}
