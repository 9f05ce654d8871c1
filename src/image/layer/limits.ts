/** What a layer may ask for. Real layers stay far below; a layer beyond is refused while it is read, and nothing of it stays. */
export interface LayerLimits {
  /** Entries: the largest images in use have some 500,000 in all their layers. */
  readonly entries: number;
  /** Directories: their times are kept in memory until the end, some 300 bytes each. */
  readonly directories: number;
  /** Bytes of all files, holes included: no image in use comes near. */
  readonly size: number;
  /** Compressed bytes become at most so many times as many, beyond `grace` bytes: programs and text shrink to a third, text at best to a twentieth. */
  readonly ratio: number;
  readonly grace: number;
  /** Names in a path: more than any program makes. Packing holds a descriptor for each. */
  readonly depth: number;
  /** Bytes of an entry's extended attributes: ext4 takes no more than about one block. */
  readonly attributes: number;
}

export const LAYER_LIMITS: LayerLimits = {
  entries: 1_000_000,
  directories: 250_000,
  size: 512 * 2 ** 30,
  ratio: 200,
  grace: 512 * 2 ** 20,
  depth: 256,
  attributes: 256 * 1024,
};
