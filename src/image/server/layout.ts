/**
 * Files of a registry below its directory:
 *
 *   registry.json                           version of this layout
 *   servers/PID-START                       servers (and collections) that work here
 *   temporary/RANDOM                        what a rename will commit
 *   uploads/UUID/repository                 where an upload is to go
 *   uploads/UUID/data[.PID-START]           what came of it; with the process that writes it now
 *   blobs/ALGORITHM/HEX                     whole, verified content: blobs and manifests, of all repositories
 *   repositories/NAME/_blobs/ALGORITHM/HEX  empty: this blob belongs to the repository
 *   repositories/NAME/_manifests/ALGORITHM/HEX   {"mediaType"}: so does this manifest
 *   repositories/NAME/_tags/TAG             digest
 *   repositories/NAME/_referrers/ALGORITHM-HEX/ALGORITHM-HEX   descriptor of a manifest whose subject is the first
 *
 * Components of a repository's name never begin with "_", and tags never with ".".
 */
import type { Digest } from "./names.ts";

export const VERSION = 1;

export const markerFile = (data: string) => `${data}/registry.json`;
export const serversDirectory = (data: string) => `${data}/servers`;
export const temporaryDirectory = (data: string) => `${data}/temporary`;
export const uploadsDirectory = (data: string) => `${data}/uploads`;
export const blobsDirectory = (data: string) => `${data}/blobs`;
export const repositoriesDirectory = (data: string) => `${data}/repositories`;

export const contentFile = (data: string, { algorithm, hex }: Digest) => `${data}/blobs/${algorithm}/${hex}`;
export const repositoryDirectory = (data: string, name: string) => `${data}/repositories/${name}`;
export const blobLink = (data: string, name: string, { algorithm, hex }: Digest) =>
  `${data}/repositories/${name}/_blobs/${algorithm}/${hex}`;
export const manifestLink = (data: string, name: string, { algorithm, hex }: Digest) =>
  `${data}/repositories/${name}/_manifests/${algorithm}/${hex}`;
export const tagsDirectory = (data: string, name: string) => `${data}/repositories/${name}/_tags`;
export const tagFile = (data: string, name: string, tag: string) => `${data}/repositories/${name}/_tags/${tag}`;
export const referrersDirectory = (data: string, name: string, subject: Digest) =>
  `${data}/repositories/${name}/_referrers/${subject.algorithm}-${subject.hex}`;
export const referrerFile = (data: string, name: string, subject: Digest, referrer: Digest) =>
  `${referrersDirectory(data, name, subject)}/${referrer.algorithm}-${referrer.hex}`;
