/** Answers on what there is: tags, referrers, repositories. */

import { OCI_INDEX } from "../../spec/mediatypes.ts";
import { listRepositories } from "./catalog.ts";
import type { Exchange } from "./exchange.ts";
import { hasRepository, listReferrers, listTags } from "./manifests.ts";
import { checkDigest } from "./names.ts";
import { page } from "./page.ts";
import { refuse } from "./refusal.ts";

/** As docker's registry, if no number is asked for. */
const CATALOG_PAGE = 100;
/** Bytes of the descriptors in one answer: with what is around them, it is no larger than a manifest may be. */
const REFERRERS_PAGE = (4 << 20) - (64 << 10);

export async function getTags(x: Exchange, data: string, repository: string): Promise<void> {
  if (!(await hasRepository(data, repository)))
    throw refuse(404, "NAME_UNKNOWN", `there is no repository ${repository}`, { name: repository });
  const path = `/v2/${repository}/tags/list`;
  const { names, headers } = page(x, path, await listTags(data, repository), Number.POSITIVE_INFINITY);
  x.json(200, { name: repository, tags: names }, headers);
}

export async function getCatalog(x: Exchange, data: string): Promise<void> {
  const { names, headers } = page(x, "/v2/_catalog", await listRepositories(data), CATALOG_PAGE);
  x.json(200, { repositories: names }, headers);
}

/** Never 404: an empty list, also of a repository that is not there. */
export async function getReferrers(x: Exchange, data: string, repository: string, text: string): Promise<void> {
  const subject = checkDigest(text);
  const type = x.query.get("artifactType");
  const last = x.query.get("last");
  const all = (await listReferrers(data, repository, subject)).filter(
    (d) => (type === null || d.artifactType === type) && (last === null || d.digest > last),
  );
  let size = 0;
  const shown = all.filter((d, i) => {
    size += JSON.stringify(d).length;
    return i === 0 || size <= REFERRERS_PAGE;
  });
  const headers: Record<string, string> = { "content-type": OCI_INDEX };
  if (type !== null) headers["oci-filters-applied"] = "artifactType";
  if (shown.length < all.length) {
    const filter = type === null ? "" : `artifactType=${encodeURIComponent(type)}&`;
    const path = `/v2/${repository}/referrers/${subject.text}`;
    headers.link = `<${path}?${filter}last=${shown.at(-1)?.digest}>; rel="next"`;
  }
  x.json(200, { schemaVersion: 2, mediaType: OCI_INDEX, manifests: shown }, headers);
}
