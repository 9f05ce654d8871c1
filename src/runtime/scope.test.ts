import { expect, test } from "bun:test";
import { slicePath } from "./scope.ts";

test("slices lie in each other by their names", () => {
  expect(slicePath("-.slice")).toBe("");
  expect(slicePath("system.slice")).toBe("/system.slice");
  expect(slicePath("kubepods-burstable-pod1_2.slice")).toBe(
    "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod1_2.slice",
  );
  for (const bad of ["", "a", "a--b.slice", "-a.slice", "a-.slice", "../x.slice", "a/b.slice", ".slice"])
    expect(() => slicePath(bad)).toThrow("is no name of a slice");
});
