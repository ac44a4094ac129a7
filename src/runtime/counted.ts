/** `1 entry`, `2 entries`, `0 entries`; `many` is `one` with an s unless told. */
export function counted(count: number, one: string, many = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`
}
