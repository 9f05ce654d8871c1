export { type ErrorCode, VitrineError } from "../errors.ts";
export type { Calling, Places } from "./command.ts";
export {
  type Attached,
  type CommitOptions,
  type Connection,
  Container,
  type ExecOptions,
  type Limits,
  type LogOptions,
  type Logs,
} from "./container.ts";
export type {
  Change,
  ContainerInfo,
  ContainerSummary,
  Event,
  ImageInfo,
  ImageSummary,
  NetworkInfo,
  NetworkSummary,
  ProcessTable,
  Stats,
  VolumeInfo,
} from "./info.ts";
export type { ListOptions } from "./listing.ts";
export { type NetworkOptions, Networks } from "./network.ts";
export type { ContainerOptions } from "./options.ts";
export { OwnedContainer } from "./owned.ts";
export { type Exit, type Output, OwnedProcess, type Started } from "./process.ts";
export { type CreateOptions, type EventOptions, type RunOptions, Vitrine } from "./vitrine.ts";
export { type VolumeOptions, Volumes } from "./volume.ts";
