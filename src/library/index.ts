export { type ErrorCode, VitrineError } from "../errors.ts";
export type { Calling, Places } from "./command.ts";
export { Container, type ExecOptions, type Limits, type LogOptions, type Logs } from "./container.ts";
export type { ContainerInfo, ContainerSummary, ImageInfo, ImageSummary, ProcessTable, Stats } from "./info.ts";
export type { ContainerOptions } from "./options.ts";
export { OwnedContainer } from "./owned.ts";
export { type Exit, type Output, OwnedProcess, type Started } from "./process.ts";
export { type CreateOptions, type ListOptions, type RunOptions, Vitrine } from "./vitrine.ts";
