/** Media types of images: the OCI image specification's (media-types.md) and those of docker's schema 2. */

export const OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json";
export const OCI_INDEX = "application/vnd.oci.image.index.v1+json";
export const OCI_CONFIG = "application/vnd.oci.image.config.v1+json";
export const OCI_LAYER = "application/vnd.oci.image.layer.v1.tar";
export const OCI_EMPTY = "application/vnd.oci.empty.v1+json";
export const DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json";
export const DOCKER_INDEX = "application/vnd.docker.distribution.manifest.list.v2+json";
export const DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json";
export const DOCKER_LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip";

export const MANIFEST_TYPES: readonly string[] = [OCI_MANIFEST, DOCKER_MANIFEST];
export const INDEX_TYPES: readonly string[] = [OCI_INDEX, DOCKER_INDEX];
export const CONFIG_TYPES: readonly string[] = [OCI_CONFIG, DOCKER_CONFIG];

/** Layers that others may not hand on: taken if the registry has them, or from where they say. */
const FOREIGN = "application/vnd.docker.image.rootfs.foreign.diff.tar";
const NON_DISTRIBUTABLE = "application/vnd.oci.image.layer.nondistributable.v1.tar";

/** Of what a layer's bytes say themselves (their magic number) only the outer name matters. */
export const LAYER_TYPES: readonly string[] = [
  ...[OCI_LAYER, NON_DISTRIBUTABLE].flatMap((type) => [type, `${type}+gzip`, `${type}+zstd`]),
  "application/vnd.docker.image.rootfs.diff.tar",
  DOCKER_LAYER,
  "application/vnd.docker.image.rootfs.diff.tar.zstd",
  FOREIGN,
  `${FOREIGN}.gzip`,
];

/** Docker's schema 1, which no registry has to have any more: signed, without a config. */
export const SCHEMA_1_TYPES: readonly string[] = [
  "application/vnd.docker.distribution.manifest.v1+json",
  "application/vnd.docker.distribution.manifest.v1+prettyjws",
];
