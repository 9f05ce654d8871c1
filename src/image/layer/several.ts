/** Layers of one image beside each other. */
import { Gate } from "../gate.ts";

/** Layers that are unpacked at once: each keeps a processor or two busy. */
const UNPACKED_AT_ONCE = 2;

/**
 * Works on all layers, in turn through the gate what unpacks. The first failure ends all of them; when this is over, none goes on.
 * @param work its gate lets in order: one layer may wait for the ones below it
 */
export async function forLayers<Layer, Result>(
  layers: readonly Layer[],
  work: (layer: Layer, index: number, gate: Gate, signal: AbortSignal) => Promise<Result>,
  signal?: AbortSignal,
): Promise<Result[]> {
  const stop = new AbortController();
  const either = signal ? AbortSignal.any([signal, stop.signal]) : stop.signal;
  const gate = new Gate(UNPACKED_AT_ONCE);
  const works = layers.map(async (layer, i) => {
    try {
      return await work(layer, i, gate, either);
    } catch (error) {
      stop.abort(error);
      throw error;
    }
  });
  const ends = await Promise.allSettled(works);
  signal?.throwIfAborted();
  if (stop.signal.aborted) throw stop.signal.reason;
  return ends.flatMap((end) => (end.status === "fulfilled" ? [end.value] : []));
}
