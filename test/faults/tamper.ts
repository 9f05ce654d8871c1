/**
 * Changes the plan that a stage is about to carry out: CONTROL PLAN. The control file says "fail N", "kill N", "stop N", "nap N" or "group … N", of
 * the instruction with that number: it becomes a call that there is none of; a kill of the stage; a stop of it, which is first told in CONTROL.stage
 * by its pid; a rest of a quarter second, and CONTROL.plan tells where the plan is; a kill of the stage's process group.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { failing, opsOf, replaced } from "./faulty.ts";

const [control = "", plan = ""] = process.argv.slice(2);
const [how, ...numbers] = readFileSync(control, "utf8").trim().split(" ");
const at = Number(numbers.at(-1));
const file = readFileSync(plan);
const ops = opsOf(file);
const isX64 = process.arch === "x64";
if (how === "fail") failing(at)(ops);
// This process becomes the stage: whoever of its processes comes to the instruction kills it.
else if (how === "kill") replaced(at, isX64 ? 62 : 129, [process.ppid, 9])(ops);
else if (how === "group") replaced(at, isX64 ? 62 : 129, [0, 9])(ops);
else if (how === "stop") replaced(at, isX64 ? 62 : 129, [process.ppid, 19])(ops);
else replaced(at, isX64 ? 7 : 73, [0, 0, 250])(ops);
writeFileSync(plan, file);
if (how === "stop") writeFileSync(`${control}.stage`, String(process.ppid));
if (how === "nap") writeFileSync(`${control}.plan`, plan);
