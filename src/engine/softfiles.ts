/** The caller's soft limit on open files, if it is below the hard one: Bun has raised ours (front/front.c tells what it was). */
export function softFiles(): number | undefined {
  const text = process.env.VITRINE_SOFT_FILES;
  return text !== undefined && /^\d{1,15}$/.test(text) ? Number(text) : undefined;
}
