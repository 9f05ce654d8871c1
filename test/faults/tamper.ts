/**
 * Changes the plan that a stage is about to carry out: CONTROL PLAN. The control file says "fail N", "kill N" or "nap N", of the
 * instruction with that number: it becomes a call that there is none of; a kill of the
 * stage; a rest of a quarter second, and CONTROL.plan tells where the plan is.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { failing, opsOf, replaced } from "./faulty.ts";

const [control = "", plan = ""] = process.argv.slice(2);
const [how, number] = readFileSync(control, "utf8").split(" ");
const at = Number(number);
const file = readFileSync(plan);
const ops = opsOf(file);
const isX64 = process.arch === "x64";
if (how === "fail") failing(at)(ops);
// This process becomes the stage: whoever of its processes comes to the instruction kills it.
else if (how === "kill") replaced(at, isX64 ? 62 : 129, [process.ppid, 9])(ops);
else replaced(at, isX64 ? 7 : 73, [0, 0, 250])(ops);
writeFileSync(plan, file);
if (how === "nap") writeFileSync(`${control}.plan`, plan);
