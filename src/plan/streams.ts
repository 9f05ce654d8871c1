/** The caller's standard streams, where the container has a terminal of its own. */
export interface Streams {
  /** Standard input is handed on. */
  readonly input: boolean;
  /** It is a terminal, whose mode changes for that. */
  readonly terminal: boolean;
}
