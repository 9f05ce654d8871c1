export { ofContainers as command } from "./inspect.ts";
