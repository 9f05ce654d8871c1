import { openEngine } from "../../engine/context.ts";
import { type Info, systemInfo } from "../../engine/info.ts";
import { VitrineError } from "../../errors.ts";
import { type Command, text } from "../command.ts";
import { complainAs } from "../complain.ts";
import { binarySize } from "../decimal.ts";
import { printOut } from "../output.ts";
import { fill, parseTemplate } from "../template.ts";

export const command: Command = {
  usage: "vitrine system info [FLAGS]",
  summary: "Tell of the engine and its host",
  flags: [
    { name: "format", short: "f", kind: "string", value: "FORMAT", help: "json, or a template: {{.KernelVersion}}" },
  ],
  async run(invocation) {
    try {
      if (invocation.args.length > 0) throw new VitrineError("USAGE", "vitrine system info takes no arguments");
      const format = text(invocation, "format");
      const template = format === undefined || format === "json" ? undefined : parseTemplate(format);
      const info = await systemInfo(await openEngine(invocation.paths));
      if (template) printOut(`${fill(template, info)}\n`);
      else printOut(format === "json" ? `${JSON.stringify(info)}\n` : told(info));
      return 0;
    } catch (error) {
      return complainAs(error, 1);
    }
  },
};

function told(info: Info): string {
  return [
    `Containers: ${info.Containers}`,
    ` Running: ${info.ContainersRunning}`,
    ` Paused: ${info.ContainersPaused}`,
    ` Stopped: ${info.ContainersStopped}`,
    `Images: ${info.Images}`,
    `Server Version: ${info.ServerVersion}`,
    `Storage Driver: ${info.Driver}`,
    `Logging Driver: ${info.LoggingDriver}`,
    `Cgroup Driver: ${info.CgroupDriver}`,
    `Cgroup Version: ${info.CgroupVersion}`,
    `Cgroup Controllers: ${info.CgroupControllers.join(" ")}`,
    "Security Options:",
    ...info.SecurityOptions.map((option) => `  ${option.replace("name=", "")}`),
    `Kernel Version: ${info.KernelVersion}`,
    `Operating System: ${info.OperatingSystem}`,
    `OSType: ${info.OSType}`,
    `Architecture: ${info.Architecture}`,
    `CPUs: ${info.NCPU}`,
    `Total Memory: ${binarySize(info.MemTotal)}`,
    `Name: ${info.Name}`,
    `Root Dir: ${info.DockerRootDir}`,
    `State Dir: ${info.StateDir}`,
    ...info.Warnings.map((warning) => `WARNING: ${warning}`),
    "",
  ].join("\n");
}
